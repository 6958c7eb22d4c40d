"""What the import tests share: a store in memory, files made by hand, reading a series back."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tradecore.storage.market_data_storage import MarketEvent, Series
from tradecore.storage.memory_storage import MemoryStorage

WriteFile = Callable[..., Path]
ReadSeries = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
async def storage() -> AsyncIterator[MemoryStorage]:
    store = MemoryStorage()
    await store.connect()
    yield store
    await store.disconnect()


@pytest.fixture
def write_file(tmp_path: Path) -> WriteFile:
    """`write_file("bars.csv", "header", "row", ...)`: the path of a text file with these lines."""

    def write(name: str, *lines: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def read_series(storage: MemoryStorage) -> ReadSeries:
    """`await read_series("bar", "IBM.NYSE 1d last")`: all events of a series of the store."""

    async def read(kind: str, name: str) -> list[MarketEvent]:
        return [event async for batch in storage.read(Series(kind, name)) for event in batch]

    return read


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data that TRADECORE_DATA names; the test is skipped where it is missing."""
    folder = os.environ.get("TRADECORE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("TRADECORE_DATA names no folder with real market data")
    return Path(folder)
