"""What only the store in memory has: columns that are taken as they are."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import InvalidEvent, StorageConflict, StorageError
from tradecore.storage.market_data_storage import Appended, Span
from tradecore.storage.memory_storage import MemoryStorage
from tradecore.testing.storage_contract import BARS, QUOTES, START, TRADES, bits, make_minute_bar, make_quote, read_all


@pytest.fixture
async def storage() -> MemoryStorage:
    made = MemoryStorage()
    await made.connect()
    return made


def quote_columns(**changed: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "ts_event": [START, START, START + 1],
        "bid_price": [1.0, -0.0, 3.0],
        "bid_size": [2.0] * 3,
        "ask_price": [1.5, 0.5, 3.5],
        "ask_size": [3.0] * 3,
    }
    return {**columns, **changed}


async def test_loaded_columns_read_as_the_same_events_as_appended_ones(storage: MemoryStorage) -> None:
    storage.load_columns(QUOTES, **quote_columns())
    expected = [make_quote(0, 1.0), make_quote(0, -0.0), make_quote(1, 3.0)]
    assert bits(await read_all(storage, QUOTES, batch_size=2)) == bits(expected)
    assert await storage.covered_spans(QUOTES) == [Span(START, START + 1)]
    assert await storage.append([*expected, make_quote(2, flags=4)]) == Appended(1, 3)
    assert bits(await read_all(storage, QUOTES)) == bits([*expected, make_quote(2, flags=4)])


async def test_any_buffer_of_the_right_type_is_taken(storage: MemoryStorage) -> None:
    numpy = pytest.importorskip("numpy")
    storage.load_columns(
        QUOTES,
        **quote_columns(
            ts_event=numpy.array([START, START, START + 1]),
            bid_price=numpy.array([1.0, -0.0, 3.0]),
            ask_price=array("d", [1.5, 0.5, 3.5]),
        ),
    )
    assert bits(await read_all(storage, QUOTES)) == bits([make_quote(0, 1.0), make_quote(0, -0.0), make_quote(1, 3.0)])


async def test_loaded_trade_ids_take_part_in_identity(storage: MemoryStorage) -> None:
    storage.load_columns(
        TRADES,
        ts_event=[START, START + 1],
        ts_received=[START + 5, START + 6],
        price=[1.0, 2.0],
        size=[1.0, 1.0],
        aggressor=[1, 2],
        trade_id=["a", None],
    )
    first = TradeTick("A.X", START, START + 5, 1.0, 1.0, Aggressor.BUYER, "a")
    assert await read_all(storage, TRADES) == [
        first,
        TradeTick("A.X", START + 1, START + 6, 2.0, 1.0, Aggressor.SELLER),
    ]
    assert await storage.append([first]) == Appended(0, 1)
    with pytest.raises(StorageConflict):
        await storage.append([TradeTick("A.X", START, START, 9.0, 1.0, Aggressor.BUYER, "a")])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bid_price": [1.0, float("nan"), 3.0]}, "bid_price is nan at row 1"),
        ({"ask_size": [1.0, float("inf"), 3.0]}, "ask_size is inf at row 1"),
        ({"ts_event": [START, START + 2, START + 1]}, "ts_event goes back at row 2"),
        ({"bid_size": [1.0]}, "column bid_size has 1 rows; expected 3"),
        ({"bid_size": ["a", "b", "c"]}, "column bid_size cannot be kept; expected float64"),
        ({"ts_event": [START, START, 2**63]}, "column ts_event cannot be kept; expected int64"),
        ({"price": [1.0] * 3}, r"unknown: \['price'\]"),
    ],
)
async def test_columns_are_checked_for_order_length_and_finiteness(
    storage: MemoryStorage, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises((InvalidEvent, StorageError), match=said):
        storage.load_columns(QUOTES, **quote_columns(**changed))
    assert await storage.list_series() == []


async def test_a_missing_column_and_a_series_that_is_there_are_refused(storage: MemoryStorage) -> None:
    with pytest.raises(StorageError, match=r"columns missing: \['ask_size'\]"):
        storage.load_columns(QUOTES, **{name: one for name, one in quote_columns().items() if name != "ask_size"})
    storage.load_columns(QUOTES, **quote_columns())
    with pytest.raises(StorageError, match="is in the store already"):
        storage.load_columns(QUOTES, **quote_columns())


async def test_columns_that_stop_being_equal_are_kept_in_full(storage: MemoryStorage) -> None:
    """Flags that were all 0, received times that were the event times: kept as such until one differs."""
    late = TradeTick("A.X", START + 2, START + 9, 1.0, 1.0, Aggressor.SELLER, "x", 4)
    plain = [TradeTick("A.X", START + at, START + at, 1.0, 1.0) for at in range(2)]
    await storage.append(plain)
    await storage.append([late])
    early = TradeTick("A.X", START - 1, START + 3, 2.0, 1.0, Aggressor.BUYER, "y", 1)
    await storage.append([early])
    assert await read_all(storage, TRADES) == [early, *plain, late]
    bars = [make_minute_bar(minute) for minute in range(5)]
    await storage.append(bars[2:])
    await storage.append(bars)
    assert await read_all(storage, BARS) == bars
