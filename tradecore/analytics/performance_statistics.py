"""PerformanceStatistics: what trading brought, as an immutable value.

Receives: snapshots of analyzers (PerformanceAnalyzer.statistics makes it).
Gives:    every number of EXECUTION 10; sums with `+`; parts with `filter`; a dictionary, a text and a table.
Never:    changes: numbers are computed when first read and kept. Adding does not depend on the order.
          Spec: Strategy Performance Analysis; EXECUTION 9, 10.

    statistics = analyzer.statistics
    statistics.net_profit, statistics.sharpe, statistics.trades
    both = statistics + other.statistics
    longs = both.filter(direction="long", source="simulated")

Money that can be exact is Decimal: profit, commission, equity at the end. What runs over the curve (drawdown, ratios of
daily returns) is float. A number without a finite answer is None.

The same account in both parts of a sum counts its capital once. A filter keeps the whole initial capital: its equity is
that capital plus the profit of what it keeps, so long profit + short profit = profit. In a sum or a filter the drawdown
runs over the points of the curves; `equity_grid_ns` says how coarse these are (0: every mark is a point).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from functools import cached_property
from typing import Any, Final, Literal

from tradecore.analytics import metrics
from tradecore.analytics.daily_equity import read_daily_equity
from tradecore.analytics.drawdown import Drawdown, DrawdownTracker
from tradecore.analytics.ledger_sum import AnalyzerSnapshot, LedgerSum, LedgerView, track_drawdown
from tradecore.analytics.side_totals import EXACT, SideTotals
from tradecore.errors import StatisticsError

Direction = Literal["long", "short"]
Source = Literal["simulated", "real"]

_EVERY_DAY: Final = "24x7"


class PerformanceStatistics:
    """Statistics of one or several strategies. Made by an analyzer, by `+` and by `filter`."""

    def __init__(
        self,
        views: tuple[LedgerView, ...],
        *,
        accounts: Mapping[str, Decimal],
        currency: str,
        session: str,
        start_ns: int | None,
        end_ns: int | None,
        drawdown: DrawdownTracker | None = None,
        label: str = "",
    ) -> None:
        """drawdown: exact over every mark, where the views are all of one analyzer. label: what a filter kept."""
        set_ = self.__dict__.__setitem__
        set_("_views", views)
        set_("_exact_drawdown", drawdown)
        set_("accounts", dict(sorted(accounts.items())))
        set_("currency", currency)
        set_("session", session)
        set_("start_ns", start_ns)
        set_("end_ns", end_ns)
        set_("label", label)

    accounts: Mapping[str, Decimal]
    """Initial capital by account."""
    currency: str
    """Of all money here."""
    session: str
    """Whose closes end the days of the daily returns; "24x7": UTC midnights."""
    start_ns: int | None
    """When the run started; None before anything happened."""
    end_ns: int | None
    """How far the run has come."""
    label: str
    """What a filter kept: "long", "real", "short simulated"; empty for all."""
    _views: tuple[LedgerView, ...]
    _exact_drawdown: DrawdownTracker | None

    @classmethod
    def of(cls, snapshot: AnalyzerSnapshot, **facts: Any) -> PerformanceStatistics:
        """All ledgers of one analyzer. facts: accounts, currency, session, start_ns, end_ns."""
        views = tuple(LedgerView(snapshot, index) for index in range(len(snapshot.ledgers)))
        return cls(views, drawdown=snapshot.drawdown, **facts)

    # ------------------------------------------------------------------------------------------- sums and parts

    def __add__(self, other: object) -> PerformanceStatistics:
        """Both together. Raises: StatisticsError for other currencies, or an account with two different capitals."""
        if not isinstance(other, PerformanceStatistics):
            return NotImplemented
        if self.currency != other.currency:
            raise StatisticsError(
                f"statistics in {self.currency} and in {other.currency} cannot be added: nothing converts between them"
            )
        for account in self.accounts.keys() & other.accounts.keys():
            if self.accounts[account] != other.accounts[account]:
                raise StatisticsError(
                    f"account {account!r} starts with {self.accounts[account]} in one part and "
                    f"{other.accounts[account]} in the other; give different accounts different names"
                )
        starts = [ns for ns in (self.start_ns, other.start_ns) if ns is not None]
        ends = [ns for ns in (self.end_ns, other.end_ns) if ns is not None]
        return PerformanceStatistics(
            self._views + other._views,
            accounts={**self.accounts, **other.accounts},
            currency=self.currency,
            session=self.session if self.session == other.session else _EVERY_DAY,
            start_ns=min(starts, default=None),
            end_ns=max(ends, default=None),
            label=self.label if self.label == other.label else "",
        )

    def filter(self, direction: Direction | None = None, source: Source | None = None) -> PerformanceStatistics:
        """The part of one direction, of one kind of broker, or both. Raises: StatisticsError for another word."""
        if direction not in (None, "long", "short"):
            raise StatisticsError(f"direction is {direction!r}; expected 'long', 'short' or None")
        if source not in (None, "simulated", "real"):
            raise StatisticsError(f"source is {source!r}; expected 'simulated', 'real' or None")
        views = [view for view in self._views if source is None or view.key.source == source.upper()]
        if direction is not None:
            views = [narrow for view in views if (narrow := view.narrow(direction)) is not None]
        if direction is None and len(views) == len(self._views):
            return self
        words = [word for word in (direction, source) if word is not None and word not in self.label.split()]
        return self._with(views, label=" ".join([*self.label.split(), *words]))

    def split_by(self, word: Literal["strategy", "broker", "source", "instrument"]) -> dict[str, PerformanceStatistics]:
        """The parts by strategy, broker, source or instrument, in order of name."""
        parts: dict[str, list[LedgerView]] = {}
        for view in self._views:
            parts.setdefault(getattr(view.key, word), []).append(view)
        return {name: self._with(parts[name], label=name) for name in sorted(parts)}

    def _with(self, views: list[LedgerView], *, label: str) -> PerformanceStatistics:
        is_all = len(views) == len(self._views) and all(view in self._views for view in views)
        return PerformanceStatistics(
            tuple(views),
            accounts=self.accounts,
            currency=self.currency,
            session=self.session,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            drawdown=self._exact_drawdown if is_all else None,
            label=label,
        )

    # ------------------------------------------------------------------------------------------------- exact money

    @cached_property
    def _sum(self) -> LedgerSum:
        return LedgerSum(self._views)

    @property
    def _totals(self) -> SideTotals:
        return self._sum.totals

    @cached_property
    def initial_capital(self) -> Decimal:
        """Capital of all accounts, each once."""
        return _add(*self.accounts.values())

    @cached_property
    def final_equity(self) -> Decimal:
        """Initial capital + net profit."""
        return _add(self.initial_capital, self.net_profit)

    @cached_property
    def net_profit(self) -> Decimal:
        """Realised profit + open profit - commission. Exact: +34.5 means that 34.5 was made."""
        return _add(self.realised_profit, self.open_profit, -self.commission)

    @property
    def realised_profit(self) -> Decimal:
        """Profit of what was closed, before commission."""
        return self._totals.realised

    @property
    def open_profit(self) -> Decimal:
        """Profit of what is still held, at the last mark, before commission."""
        return self._sum.open_profit

    @property
    def commission(self) -> Decimal:
        """Paid for all executions, below 0: more rebates than fees."""
        return self._totals.commission

    @property
    def slippage(self) -> Decimal:
        """Money that takers gave up against the prices they met; contained in the profit already."""
        return self._totals.slippage

    @property
    def turnover(self) -> Decimal:
        """Value of all executions."""
        return self._totals.turnover

    @property
    def gross_profit(self) -> Decimal:
        """Sum of the closed trades that made money, after commission."""
        return self._totals.gross_profit

    @property
    def gross_loss(self) -> Decimal:
        """Sum of the closed trades that lost money, after commission; <= 0."""
        return self._totals.gross_loss

    @property
    def best_trade(self) -> Decimal | None:
        """Profit of the best closed trade."""
        return self._totals.best

    @property
    def worst_trade(self) -> Decimal | None:
        """Profit of the worst closed trade."""
        return self._totals.worst

    # ---------------------------------------------------------------------------------------------------- counts

    @property
    def trades(self) -> int:
        """Closed trades, flat to flat; a flip closes one and opens the next."""
        return self._totals.trades

    @property
    def trades_won(self) -> int:
        """Closed trades that made money after commission."""
        return self._totals.trades_won

    @property
    def trades_lost(self) -> int:
        """Closed trades that lost money after commission."""
        return self._totals.trades_lost

    @property
    def trades_open(self) -> int:
        """Trades that are not flat yet; no other number of trades counts them."""
        return self._sum.trades_open

    @property
    def executions(self) -> int:
        """Executions. A flip is one here, and one in each of the directions it touched."""
        return self._totals.executions

    @property
    def buys(self) -> int:
        """Executions that bought."""
        return self._totals.buys_maker + self._totals.buys_taker

    @property
    def sells(self) -> int:
        """Executions that sold."""
        return self._totals.sells_maker + self._totals.sells_taker

    @property
    def makers(self) -> int:
        """Executions of resting orders."""
        return self._totals.buys_maker + self._totals.sells_maker

    @property
    def takers(self) -> int:
        """Executions of orders that met what stood."""
        return self._totals.buys_taker + self._totals.sells_taker

    # ---------------------------------------------------------------------------------------------------- ratios

    @cached_property
    def years(self) -> float:
        """Time elapsed from start to end, in years of 365.25 days."""
        return metrics.compute_years(self.start_ns or 0, self.end_ns or 0) if self.start_ns is not None else 0.0

    @property
    def total_return(self) -> float | None:
        """Net profit over initial capital, a fraction."""
        return metrics.compute_total_return(self.initial_capital, self.net_profit)

    @property
    def cagr(self) -> float | None:
        """Growth per year by time elapsed, a fraction."""
        return metrics.compute_cagr(self.initial_capital, self.final_equity, self.years)

    @cached_property
    def daily_returns(self) -> list[float] | None:
        """Returns on the prior day's equity, flat days included; the first on the initial capital."""
        equity = read_daily_equity(self._sum.curve, self.initial_capital, self.session, self.start_ns, self.end_ns)
        return metrics.compute_daily_returns(equity)

    @property
    def volatility(self) -> float | None:
        """Deviation of daily returns, a fraction per year."""
        return self._of_returns(metrics.compute_volatility)

    @property
    def sharpe(self) -> float | None:
        """Mean over deviation of daily returns, annualised."""
        return self._of_returns(metrics.compute_sharpe)

    @property
    def sortino(self) -> float | None:
        """Mean over downside deviation of daily returns, annualised."""
        return self._of_returns(metrics.compute_sortino)

    @property
    def calmar(self) -> float | None:
        """CAGR over the deepest relative drawdown."""
        return metrics.compute_calmar(self.cagr, self.max_drawdown_fraction)

    @property
    def profit_factor(self) -> float | None:
        """Gross profit over gross loss."""
        return metrics.compute_profit_factor(self.gross_profit, self.gross_loss)

    @property
    def expectancy(self) -> float | None:
        """Profit of the average closed trade, after commission."""
        return metrics.compute_expectancy(self.gross_profit, self.gross_loss, self.trades)

    @property
    def win_rate(self) -> float | None:
        """Closed trades that made money over closed trades, a fraction."""
        return metrics.compute_share(self.trades_won, self.trades)

    @property
    def average_holding_ns(self) -> int | None:
        """Time of the average closed trade, ns, rounded down."""
        return self._totals.held_ns // self.trades if self.trades else None

    @cached_property
    def exposure(self) -> float | None:
        """Time in which anything was held over time elapsed, a fraction."""
        if self.start_ns is None or self.end_ns is None:
            return None
        return metrics.compute_share(self._sum.compute_held_ns(self.end_ns), self.end_ns - self.start_ns)

    def _of_returns(self, formula: Callable[[list[float], float], float | None]) -> float | None:
        return None if self.daily_returns is None else formula(self.daily_returns, self.years)

    # ----------------------------------------------------------------------------------------------------- curve

    @property
    def equity_grid_ns(self) -> int:
        """Width of a cell of the equity curve, of which the last mark is kept; 0 when every mark is a point."""
        return self._sum.width_ns

    @property
    def equity_curve(self) -> list[tuple[int, float]]:
        """Points (ns, equity in currency): every mark while something was held, and every execution."""
        capital = float(self.initial_capital)
        return [(ts, capital + profit) for ts, profit in zip(*self._sum.curve, strict=True)]

    @cached_property
    def _drawdown(self) -> DrawdownTracker:
        if self._exact_drawdown is not None:
            return self._exact_drawdown
        return track_drawdown(self._sum.curve, self.initial_capital, self.start_ns or 0)

    @property
    def drawdown(self) -> Drawdown:
        """The deepest fall of equity in money, with its times."""
        return self._drawdown.deepest

    @property
    def drawdown_relative(self) -> Drawdown:
        """The deepest fall of equity as a fraction of the peak, with its times."""
        return self._drawdown.deepest_relative

    @property
    def max_drawdown(self) -> float:
        """The deepest fall of equity, in money, >= 0."""
        return self.drawdown.money

    @property
    def max_drawdown_fraction(self) -> float | None:
        """The deepest fall of equity as a fraction of the peak; None where there was none to divide by."""
        relative = self.drawdown_relative
        return None if self.drawdown.money and not relative.money else relative.fraction

    # ------------------------------------------------------------------------------------------------------ shown

    def to_dict(self) -> dict[str, Any]:
        """Every number, ready for JSON: money as exact text, floats as they are, times as ISO 8601; keys in order."""
        from tradecore.analytics.statistics_table import to_dict

        return to_dict(self)

    def __str__(self) -> str:
        from tradecore.analytics.statistics_table import to_text

        return to_text(self)

    def __repr__(self) -> str:
        return f"<PerformanceStatistics {self.label or 'all'}: net_profit={self.net_profit} trades={self.trades}>"

    def _repr_html_(self) -> str:
        from tradecore.analytics.statistics_table import to_html

        return to_html(self)

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, PerformanceStatistics) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.currency, self.executions, self.realised_profit))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"PerformanceStatistics is a value; {name} cannot be set")


def _add(*values: Decimal) -> Decimal:
    with localcontext(EXACT):
        total = Decimal(0)
        for value in values:
            total += value
    return total


def add_statistics(parts: list[PerformanceStatistics]) -> PerformanceStatistics:
    """All parts together; one part is itself. Raises: StatisticsError for none, and as `+` does."""
    if not parts:
        raise StatisticsError("there are no statistics to add; expected at least one part")
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
