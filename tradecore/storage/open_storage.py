"""open_storage: the store that a URL names, connected while it is in use.

Receives: "sqlite:data/market.db", "parquet:data/market", "memory:".
Gives:    a connected MarketDataStorage; it is disconnected at the end of the block, whatever happened in it.
Never:    loads the library of a kind of store that is not asked for.    Spec: 2.1; DESIGN 7.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from tradecore.errors import StorageUnavailable
from tradecore.storage.market_data_storage import MarketDataStorage

KINDS: Final = ("sqlite", "parquet", "memory")
_EXPECTED: Final = 'expected "sqlite:data/market.db", "parquet:data/market" or "memory:"'


class StorageAddress(msgspec.Struct, frozen=True):
    """Which store. kind: "sqlite", "parquet" or "memory"; path: file or folder, None for memory; url: as typed."""

    kind: str
    path: Path | None
    url: str


def parse_storage_url(url: str, *, relative_to: Path | None = None) -> StorageAddress:
    """Kind and path of a store's URL. A relative path is taken from `relative_to`, else from the working folder.

    Raises: StorageUnavailable when it cannot be read.
    """
    kind, colon, place = url.partition(":")
    if not colon or kind not in KINDS:
        raise StorageUnavailable(f"storage url {url!r} cannot be read; {_EXPECTED}")
    if kind == "memory":
        if place:
            raise StorageUnavailable(f'storage url {url!r} names {place!r}; a store in memory has no name: "memory:"')
        return StorageAddress(kind, None, url)
    if not place.strip() or place == ":memory:":
        raise StorageUnavailable(
            f"storage url {url!r} names no {'file' if kind == 'sqlite' else 'folder'}; {_EXPECTED}"
        )
    path = Path(place).expanduser()
    return StorageAddress(kind, path if relative_to is None else relative_to / path, url)


def make_storage(url: str, *, relative_to: Path | None = None) -> MarketDataStorage:
    """The store of a URL, not connected yet. Raises: StorageUnavailable."""
    address = parse_storage_url(url, relative_to=relative_to)
    if address.path is None:
        from tradecore.storage.memory_storage import MemoryStorage

        return MemoryStorage(url)
    if address.kind == "sqlite":
        from tradecore.storage.sqlite_storage import SqliteStorage

        return SqliteStorage(address.path, url)
    from tradecore.storage.parquet_storage import ParquetStorage

    return ParquetStorage(address.path, url)


@asynccontextmanager
async def open_storage(url: str, *, relative_to: Path | None = None) -> AsyncIterator[MarketDataStorage]:
    """The connected store of a URL, closed at the end.

    Raises: StorageUnavailable, StorageSchemaNewer.
    """
    storage = make_storage(url, relative_to=relative_to)
    await storage.connect()
    try:
        yield storage
    finally:
        await storage.disconnect()
