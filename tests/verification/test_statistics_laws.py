"""Statistics recomputed: every figure that executions can make is checked, in the whole and in every part."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

Copy = Any

# What a folder cannot show (law_book.UNTOLD), what describes rather than counts, and what the other figures hold.
UNTOLD = {"sharpe", "sortino", "volatility", "daily_returns", "max_drawdown", "max_drawdown_fraction"}
DESCRIPTIVE = {"label", "session", "equity_grid_ns"}
FIGURES = [
    "start", "end", "years", "initial_capital", "final_equity", "net_profit", "realised_profit", "open_profit",
    "commission", "slippage", "turnover", "gross_profit", "gross_loss", "best_trade", "worst_trade", "total_return",
    "cagr", "calmar", "profit_factor", "expectancy", "win_rate", "exposure", "trades", "trades_won", "trades_lost",
    "trades_open", "executions", "buys", "sells", "makers", "takers", "average_holding_ns",
]  # fmt: skip


def changed(value: Any) -> Any:
    """A little more: a cent, one, a millionth part; another second."""
    if isinstance(value, str) and value.endswith("Z"):
        return "2024-01-01T00:01:01Z"
    if isinstance(value, str):
        return str(Decimal(value) + Decimal("0.01"))
    if value is None:
        return 0.5
    return value + 1 if isinstance(value, int) else value * (1 + 1e-6) + 1e-9


def test_every_figure_is_checked_or_named_as_untold(copy_of: Callable[[str], Copy]) -> None:
    """A figure that joins statistics.json has to join one of the two lists."""
    whole = copy_of("bars").statistics("all")
    plain = {name for name, value in whole.items() if not isinstance(value, dict)}
    assert plain == {*FIGURES, "currency"} | UNTOLD | DESCRIPTIVE


@pytest.mark.parametrize("place", [("all",), ("strategies", "two")], ids=["all", "two"])
@pytest.mark.parametrize("figure", FIGURES)
def test_a_changed_figure_is_found(copy_of: Callable[[str], Copy], place: tuple[str, ...], figure: str) -> None:
    copy = copy_of("quotes, delayed, two brokers")
    copy.edit_json("statistics.json", *place, figure, value=changed)
    shown = "years" if figure == "start" else figure  # this run was given no start: what follows from it is off
    findings = copy.verify().findings
    assert [f for f in findings if f.file == "statistics.json" and f"{'.'.join(place)}.{shown}" in f.message], findings


@pytest.mark.parametrize(
    "place",
    [
        ("by_direction", "long"), ("by_direction", "short"), ("by_source", "SIMULATED"),
        ("by_instrument", "TEST.SIM"), ("by_strategy", "one"),
    ],
    ids=".".join,
)  # fmt: skip
def test_a_changed_figure_of_a_part_is_found(copy_of: Callable[[str], Copy], place: tuple[str, str]) -> None:
    copy = copy_of("bars, delayed, cash")
    part = copy.statistics("all", *place)
    for figure in part:
        if figure in UNTOLD:
            continue
        copy.edit_json("statistics.json", "all", *place, figure, value=changed)
        findings = copy.verify().findings
        assert [f for f in findings if f"all.{'.'.join(place)}" in f.message], figure
        copy.edit_json("statistics.json", "all", *place, figure, value=part[figure])
    assert copy.verify().is_sound


def test_another_currency_is_found_and_switches_no_law_off(copy_of: Callable[[str], Copy]) -> None:
    """Figures of another currency would be left out: so the currency itself is checked, by the accounts."""
    copy = copy_of("bars")
    copy.edit_json("statistics.json", "all", "currency", value="EUR")
    copy.edit_json("statistics.json", "all", "turnover", value="1")
    messages = [finding.message for finding in copy.verify().findings]
    assert "all.currency is EUR; its accounts are in USD" in messages
    assert any(message.startswith("all.turnover is 1; the executions make ") for message in messages)


def test_a_strategy_that_is_left_out_is_found(copy_of: Callable[[str], Copy]) -> None:
    copy = copy_of("bars")
    copy.edit_json("statistics.json", "strategies", value=lambda parts: {"one": parts["one"]})
    assert [f.message for f in copy.verify().findings] == ["has no strategies.two, which executed"]


def test_a_drawdown_less_than_what_was_lost_while_flat_is_found(
    write_run: Callable[..., Copy], make_order: Callable[..., Any], make_execution: Callable[..., Any]
) -> None:
    """Bought at 100, sold at 90: 10 units lost 100, flat since. A drawdown of 99 cannot be."""
    orders = [
        make_order(1, "ACCEPTED", 1),
        make_order(1, "FILLED", 1, 10),
        make_order(2, "ACCEPTED", 2, side="SELL"),
        make_order(2, "FILLED", 2, 10, side="SELL", average_price="90"),
    ]
    executions = [make_execution(1, 1, 10, 1), make_execution(2, 1, 10, 2, side="SELL", price="90")]
    copy = write_run(orders, executions)
    whole = {"currency": "USD", "net_profit": "-100", "max_drawdown": 99.0}
    (copy.path / "statistics.json").write_text(json.dumps({"all": whole}))
    messages = [f.message for f in copy.verify().findings]
    assert "all.max_drawdown is 99.0; while flat alone it fell by 100.0" in messages
