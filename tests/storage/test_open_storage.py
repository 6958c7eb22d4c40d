"""open_storage: which store a URL names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradecore.errors import StorageError, StorageUnavailable
from tradecore.storage.market_data_storage import MarketDataStorage
from tradecore.storage.open_storage import open_storage, parse_storage_url
from tradecore.testing.storage_contract import QUOTES, make_quote, read_all


def test_a_url_is_a_kind_and_a_place(tmp_path: Path) -> None:
    assert parse_storage_url("memory:").path is None
    assert parse_storage_url("sqlite:data/market.db").path == Path("data/market.db")
    assert parse_storage_url("parquet:data", relative_to=tmp_path).path == tmp_path / "data"
    # An absolute path stays itself wherever it is written.
    assert parse_storage_url(f"sqlite:{tmp_path / 'm.db'}", relative_to=Path("elsewhere")).path == tmp_path / "m.db"
    assert parse_storage_url("sqlite:~/m.db").path == Path.home() / "m.db"


@pytest.mark.parametrize(
    "url", ["", "sqlite", "sqlite:", "sqlite: ", "sqlite::memory:", "postgres:x", "memory:x", "m.db"]
)
def test_a_url_that_cannot_be_read_is_answered_with_one_that_can(url: str) -> None:
    with pytest.raises(StorageUnavailable, match=r"storage url .*memory:"):
        parse_storage_url(url)


@pytest.mark.parametrize("url", ["sqlite:deep/down/m.db", "parquet:deep/down/store"])
async def test_missing_folders_are_made_and_the_store_is_closed_at_the_end(url: str, tmp_path: Path) -> None:
    if url.startswith("parquet"):
        pytest.importorskip("pyarrow")
    async with open_storage(url, relative_to=tmp_path) as storage:
        assert storage.url == url
        await storage.append([make_quote(1)])
    with pytest.raises(StorageError, match="not connected"):
        await read_all(storage, QUOTES)
    left: list[MarketDataStorage] = []

    async def fail_in_the_block() -> None:
        async with open_storage(url, relative_to=tmp_path) as opened:
            left.append(opened)
            assert await read_all(opened, QUOTES) == [make_quote(1)]
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        await fail_in_the_block()
    with pytest.raises(StorageError, match="not connected"):
        await left[0].list_series()


def test_opening_a_sqlite_store_does_not_load_pyarrow() -> None:
    """It is slow to load, and an extra."""
    code = (
        "import sys; from tradecore.storage.open_storage import make_storage\n"
        "make_storage('memory:'); make_storage('sqlite:x.db'); print('pyarrow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "False"
