"""The same digests whatever must not matter: order of subscriptions, hash seed, batch size, store, interpreter.

A covering set runs here: each value of each factor meets each value of every other one. The interpreter is the one
factor that a test process cannot vary, so what all of them must agree on stands here as constants, and .ci/run runs
these tests on each. The full product is scripts/determinism.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
RunCase = Callable[..., dict[str, Any]]

# A change of these is a change of what runs decide or of what their files say. If it is meant, take the new ones from
# `scripts/determinism_case.py --store sqlite:... --days 7` (and 29), and say in the commit why they changed.
WEEK = {
    "orders": "3b12ab0fa5491a84831564cba5e0b24fa8272effcb3cee0bf8308121adb99cc0",
    "executions": "2a21fd72db8d048e09c54a8a42c06e26c1b9fbd23ca22c77962c19ee8442bc07",
    "callbacks": "2631d62639236fdd72e87a0b594cf0fcfd1e347d318a1ef9b05c3076a25eace1",
}
MONTH = {
    "orders": "4f264e47b41c816ecfda8a7081a55ec5a0bb4c4c7ab204122738201c825fad3f",
    "executions": "82934765b9a9323093f324171256a099d8d8a7fe909e17791c8dbeb3e463efb7",
    "callbacks": "7be798760dfc0a8e56917f2989ef0827ac16fc85c0b6fe3b6c1ba95e7367e07c",
}

COVERING = [
    ("bid,ask,5m,timer", 1, "sqlite", "0"),
    ("bid,ask,5m,timer", 16, "parquet", "1"),
    ("bid,ask,5m,timer", 1_024, "memory", "random"),
    ("timer,5m,ask,bid", 1, "parquet", "random"),
    ("timer,5m,ask,bid", 16, "memory", "0"),
    ("timer,5m,ask,bid", 1_024, "sqlite", "1"),
    ("5m,bid,timer,ask", 1, "memory", "1"),
    ("5m,bid,timer,ask", 16, "sqlite", "random"),
    ("5m,bid,timer,ask", 1_024, "parquet", "0"),
]


def test_the_covering_set_has_every_pair_of_values() -> None:
    """Three factors' worth of product would be 81 runs; nine of them hold all pairs."""
    for first, second in combinations(range(4), 2):
        assert len({(row[first], row[second]) for row in COVERING}) == 9


@pytest.mark.parametrize(("subscribe", "batch_size", "store", "hash_seed"), COVERING)
def test_a_week_of_minutes_gives_the_same_digests(
    run_case: RunCase, gbpusd_stores: dict[str, str], subscribe: str, batch_size: int, store: str, hash_seed: str
) -> None:
    ran = run_case(gbpusd_stores[store], subscribe=subscribe, batch_size=batch_size, days=7, hash_seed=hash_seed)
    assert ran["digests"] == WEEK, f"on Python {ran['python']}"
    assert ran["counts"]["executions"] > 100  # a digest of nothing would be equal as well


def test_the_whole_month_gives_the_same_digests(run_case: RunCase, gbpusd_stores: dict[str, str]) -> None:
    ran = run_case(gbpusd_stores["sqlite"], subscribe="ask,timer,bid,5m", batch_size=1_024, days=29, hash_seed="random")
    assert ran["digests"] == MONTH, f"on Python {ran['python']}"
