"""What the tests of stores share: the three stores, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tradecore.storage.market_data_storage import MarketDataStorage
from tradecore.storage.open_storage import make_storage

MakeStorage = Callable[[Path], MarketDataStorage]


@pytest.fixture(params=["memory", "sqlite", "parquet"])
def make_each_storage(request: pytest.FixtureRequest) -> MakeStorage:
    """A function that makes a store of one kind in a folder; a test that takes it runs for all three."""
    kind: str = request.param
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    return lambda folder: make_storage("memory:" if kind == "memory" else f"{kind}:{folder / kind}")
