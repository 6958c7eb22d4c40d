"""The inputs of W1 to W5: seeded, the same bytes everywhere.

Prices are whole ticks of 0.01 with two exact decimals; times are int64 nanoseconds, UTC. The order in which random
numbers are drawn is part of the definition: the expected results below hold for these bytes only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

SEED = 20_240_101
T0 = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z
MINUTE = 60_000_000_000

# What each workload must give (made once, by independent programs).
W1_ORDERS, W1_PROFIT = 19_581, -34.49
W2_ORDERS, W2_PROFIT = 20_193, -413.67
W3_LAST_PRICE = 986.20
W4_BARS, W4_TIMERS = 1_000_000, 250_000
W5_SUBMITTED, W5_EXECUTED, W5_CANCELLED = 20_000, 10_007, 9_992

Columns = dict[str, Any]


class Workloads(NamedTuple):
    """Columns by name: ts and prices and sizes as numpy arrays."""

    bars: Columns
    quotes: Columns
    trades: Columns
    four_bars: list[Columns]
    churn_quotes: Columns


def make_workloads() -> Workloads:
    """All five, from one generator, in this order."""
    rng = np.random.default_rng(SEED)
    return Workloads(
        bars=_make_bars(rng, 500_000),
        quotes=_make_quotes(rng, 1_000_000),
        trades=_make_trades(rng, 1_000_000),
        four_bars=[_make_bars(rng, 250_000, k * 15_000_000_000) for k in range(4)],
        churn_quotes=_make_quotes(rng, 200_000),
    )


def head(columns: Columns, rows: int) -> Columns:
    """The first rows of a table of columns."""
    return {name: column[:rows] for name, column in columns.items()}


def _to_price(ticks: Any) -> Any:
    return np.round(ticks / 100.0, 2)


def _make_bars(rng: Any, count: int, offset_ns: int = 0) -> Columns:
    step = np.rint(rng.normal(0, 6, count)).astype(np.int64)
    gap = rng.integers(-1, 2, count)
    close = 100_000 + np.cumsum(step + gap)
    opening = np.concatenate(([100_000], close[:-1] + gap[1:]))
    high = np.maximum(opening, close) + rng.integers(0, 6, count)
    low = np.minimum(opening, close) - rng.integers(0, 6, count)
    times = T0 + offset_ns + MINUTE * np.arange(1, count + 1, dtype=np.int64)
    volume = rng.integers(100, 10_000, count).astype(np.float64)
    return {
        "ts": times, "open": _to_price(opening), "high": _to_price(high), "low": _to_price(low),
        "close": _to_price(close), "volume": volume,
    }  # fmt: skip


def _make_quotes(rng: Any, count: int) -> Columns:
    bid = 100_000 + np.cumsum(rng.integers(-2, 3, count))
    spread = rng.integers(1, 4, count)
    times = T0 + np.cumsum(rng.integers(1_000_000, 99_000_000, count))
    bid_size = rng.integers(10, 100, count).astype(np.float64)
    ask_size = rng.integers(10, 100, count).astype(np.float64)
    return {
        "ts": times, "bid": _to_price(bid), "ask": _to_price(bid + spread), "bid_size": bid_size, "ask_size": ask_size,
    }  # fmt: skip


def _make_trades(rng: Any, count: int) -> Columns:
    times = T0 + np.cumsum(rng.integers(1_000_000, 99_000_000, count))
    price = _to_price(100_000 + np.cumsum(rng.integers(-1, 2, count)))
    size = rng.integers(1, 100, count).astype(np.float64)
    side = rng.integers(1, 3, count).astype(np.uint8)
    return {"ts": times, "price": price, "size": size, "side": side}
