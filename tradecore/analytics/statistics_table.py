"""Statistics table: PerformanceStatistics as a dictionary, a text and an HTML table.

Receives: PerformanceStatistics.
Gives:    the same numbers in one fixed order, for statistics.json, a terminal and a notebook.
Never:    rounds in the dictionary: floats go out as they are (repr), money as exact text.    DESIGN 11.
"""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any, Final

from tradecore.analytics.drawdown import Drawdown
from tradecore.analytics.side_totals import EXACT
from tradecore.domain.instant import SECOND_NS, format_ns

if TYPE_CHECKING:
    from tradecore.analytics.performance_statistics import PerformanceStatistics

_MONEY: Final = (
    "initial_capital", "final_equity", "net_profit", "realised_profit", "open_profit", "commission", "slippage",
    "turnover", "gross_profit", "gross_loss", "best_trade", "worst_trade",
)  # fmt: skip
_RATIOS: Final = (
    "total_return", "cagr", "max_drawdown", "max_drawdown_fraction", "volatility", "sharpe", "sortino", "calmar",
    "profit_factor", "expectancy", "win_rate", "exposure",
)  # fmt: skip
_COUNTS: Final = (
    "trades", "trades_won", "trades_lost", "trades_open", "executions", "buys", "sells", "makers", "takers",
)  # fmt: skip
_PART: Final = (
    "net_profit", "realised_profit", "open_profit", "commission", "turnover", "gross_profit", "gross_loss",
)  # fmt: skip
_PART_RATIOS: Final = ("total_return", "max_drawdown", "profit_factor", "expectancy", "win_rate", "exposure")


def to_exact_text(money: Decimal | None) -> str | None:
    """Money without exponent and without trailing zeros; the same text for equal amounts.

    >>> to_exact_text(Decimal("1.500")), to_exact_text(Decimal("1E+2")), to_exact_text(Decimal("-0.00"))
    ('1.5', '100', '0')
    """
    if money is None:
        return None
    return format(money.normalize(EXACT), "f") if money else "0"


def to_dict(statistics: PerformanceStatistics) -> dict[str, Any]:
    """All numbers, JSON-able, keys in a fixed order."""
    returns = statistics.daily_returns
    return {
        "label": statistics.label,
        "currency": statistics.currency,
        "accounts": {name: to_exact_text(capital) for name, capital in statistics.accounts.items()},
        "start": _moment(statistics.start_ns),
        "end": _moment(statistics.end_ns),
        "years": statistics.years,
        **{name: to_exact_text(getattr(statistics, name)) for name in _MONEY},
        **{name: getattr(statistics, name) for name in _RATIOS},
        **{name: getattr(statistics, name) for name in _COUNTS},
        "average_holding_ns": statistics.average_holding_ns,
        "daily_returns": None if returns is None else len(returns),
        "session": statistics.session,
        "equity_grid_ns": statistics.equity_grid_ns,
        "drawdown": _fall(statistics.drawdown),
        "drawdown_relative": _fall(statistics.drawdown_relative),
        "by_direction": {word: _part(statistics.filter(direction=word)) for word in ("long", "short")},
        **{
            f"by_{word}": {name: _part(part) for name, part in statistics.split_by(word).items()}
            for word in ("source", "instrument", "strategy")
        },
    }


def to_text(statistics: PerformanceStatistics) -> str:
    """A table for a terminal: what was traded, what it brought, what it risked."""
    rows = _rows(statistics)
    left = max(len(name) for name, _ in rows)
    right = max(len(value) for _, value in rows)
    title = f"Statistics ({statistics.label})" if statistics.label else "Statistics"
    return "\n".join([title, *(f"  {name:<{left}}  {value:>{right}}" for name, value in rows)])


def to_html(statistics: PerformanceStatistics) -> str:
    """The same rows as a table for a notebook."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:right'>{escape(value)}</td></tr>"
        for name, value in _rows(statistics)
    )
    caption = f"Statistics ({statistics.label})" if statistics.label else "Statistics"
    return f"<table><caption>{escape(caption)}</caption><tbody>{rows}</tbody></table>"


def _rows(statistics: PerformanceStatistics) -> list[tuple[str, str]]:
    s, unit = statistics, statistics.currency
    return [
        ("from", _moment(s.start_ns) or "-"),
        ("to", _moment(s.end_ns) or "-"),
        ("initial capital", f"{_money(s.initial_capital)} {unit}"),
        ("final equity", f"{_money(s.final_equity)} {unit}"),
        ("net profit", f"{_money(s.net_profit)} {unit}"),
        ("  of it open", f"{_money(s.open_profit)} {unit}"),
        ("commission", f"{_money(s.commission)} {unit}"),
        ("return", _percent(s.total_return)),
        ("return per year", _percent(s.cagr)),
        ("max drawdown", f"{_percent(s.max_drawdown_fraction)} ({_money(s.max_drawdown)} {unit})"),
        ("volatility", _percent(s.volatility)),
        ("Sharpe / Sortino / Calmar", f"{_ratio(s.sharpe)} / {_ratio(s.sortino)} / {_ratio(s.calmar)}"),
        ("trades (won / lost / open)", f"{s.trades} ({s.trades_won} / {s.trades_lost} / {s.trades_open})"),
        ("win rate", _percent(s.win_rate)),
        ("profit factor", _ratio(s.profit_factor)),
        ("average trade", _money(s.expectancy)),
        ("best / worst trade", f"{_money(s.best_trade)} / {_money(s.worst_trade)}"),
        ("average holding time", _duration(s.average_holding_ns)),
        ("time in the market", _percent(s.exposure)),
        ("executions (buys / sells)", f"{s.executions} ({s.buys} / {s.sells})"),
        ("  makers / takers", f"{s.makers} / {s.takers}"),
        ("turnover", f"{_money(s.turnover)} {unit}"),
    ]


def _part(part: PerformanceStatistics) -> dict[str, Any]:
    return {
        **{name: to_exact_text(getattr(part, name)) for name in _PART},
        **{name: getattr(part, name) for name in _PART_RATIOS},
        **{name: getattr(part, name) for name in _COUNTS},
    }


def _fall(drawdown: Drawdown) -> dict[str, Any]:
    return {
        "money": drawdown.money,
        "fraction": drawdown.fraction,
        "start": _moment(drawdown.start_ns),
        "trough": _moment(drawdown.trough_ns),
        "end": _moment(drawdown.end_ns),
    }


def _moment(ns: int | None) -> str | None:
    return None if ns is None else format_ns(ns)


def _money(amount: Decimal | float | None) -> str:
    return "-" if amount is None else f"{amount:,.2f}"


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{fraction * 100:.2f} %"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _duration(ns: int | None) -> str:
    if ns is None:
        return "-"
    seconds = ns // SECOND_NS
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    words = [f"{count}{unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")) if count]
    return " ".join(words[:2]) or f"{ns} ns"
