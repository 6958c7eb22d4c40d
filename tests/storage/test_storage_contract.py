"""The three stores keep the one contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradecore.storage.market_data_storage import MarketDataStorage
from tradecore.storage.memory_storage import MemoryStorage
from tradecore.storage.sqlite_storage import SqliteStorage
from tradecore.testing.storage_contract import StorageContract


class TestMemoryStorage(StorageContract):
    outlives_closing = False

    def make_storage(self, folder: Path) -> MarketDataStorage:
        return MemoryStorage()


class TestSqliteStorage(StorageContract):
    def make_storage(self, folder: Path) -> MarketDataStorage:
        return SqliteStorage(folder / "data" / "market.db")


class TestParquetStorage(StorageContract):
    def make_storage(self, folder: Path) -> MarketDataStorage:
        pytest.importorskip("pyarrow")
        from tradecore.storage.parquet_storage import ParquetStorage

        return ParquetStorage(folder / "data" / "market")
