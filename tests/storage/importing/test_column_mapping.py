"""Columns: guessed from names, overridden by the user, never mapped twice."""

import pytest

from tradecore.storage.importing.column_mapping import is_header, map_columns, map_positions


@pytest.mark.parametrize(
    ("header", "kind", "roles"),
    [
        ("timestamp,open,high,low,close,volume", "bar", "time,open,high,low,close,volume"),
        ("Date,Open,High,Low,Close,Adj Close,Volume", "bar", "time,open,high,low,close,-,volume"),
        ("open_time,o,h,l,c,v", "bar", "time,open,high,low,close,volume"),
        ("<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", "bar", "time,time_of_day,open,high,low,close,volume"),
        ("ts,bid,ask", "quote_tick", "time,bid_price,ask_price"),
        ("Time,Bid Price,Bid Size,Ask Price,Ask Size", "quote_tick", "time,bid_price,bid_size,ask_price,ask_size"),
        ("id,price,qty,quoteQty,time,isBuyerMaker", "trade_tick", "trade_id,price,size,-,time,buyer_is_maker"),
        ("timestamp,side,price,amount,id", "trade_tick", "time,aggressor,price,size,trade_id"),
    ],
)
def test_names_of_exchanges_and_vendors_are_understood(header: str, kind: str, roles: str) -> None:
    mapping = map_columns(header.split(","), None, {})
    expected = {role: place for place, role in enumerate(roles.split(",")) if role != "-"}
    assert (mapping.kind, mapping.positions, mapping.missing_roles) == (kind, expected, ())


def test_a_time_beside_a_full_timestamp_is_not_a_time_of_day() -> None:
    mapping = map_columns(["timestamp", "time", "open", "high", "low", "close"], None, {})
    assert mapping.positions["time"] == 0
    assert "time_of_day" not in mapping.positions


@pytest.mark.parametrize(("name", "stamp"), [("open_time", "start"), ("bar_end", "end"), ("timestamp", None)])
def test_a_name_may_carry_what_the_stamp_marks(name: str, stamp: str | None) -> None:
    assert map_columns([name, "open", "high", "low", "close"], None, {}).stamp == stamp


def test_a_name_may_carry_the_zone() -> None:
    assert map_columns(["timestamp_utc", "price"], None, {}).zone == "UTC"
    assert map_columns(["timestamp", "price"], None, {}).zone is None


def test_the_user_overrides_names_positions_and_absence() -> None:
    names = ["t", "open", "high", "low", "close", "Volume BTC", "volume"]
    mapping = map_columns(names, "bar", {"time": "t", "volume": "volume btc", "close": 5})
    assert mapping.positions == {"time": 0, "volume": 5, "close": 4, "open": 1, "high": 2, "low": 3}
    assert "volume" not in map_columns(names, "bar", {"volume": "-"}).positions


@pytest.mark.parametrize(
    ("overrides", "word"),
    [({"opne": "open"}, "opne"), ({"open": "first"}, "first"), ({"open": 9}, "9"), ({"open": 1, "high": 1}, "two")],
)
def test_overrides_that_cannot_be_meant_are_faults(overrides: dict[str, str | int], word: str) -> None:
    faults = map_columns(["open", "high", "low", "close", "time"], "bar", overrides).faults
    assert len(faults) == 1
    assert word in faults[0]


def test_missing_roles_are_named() -> None:
    assert map_columns(["time", "open", "high", "close"], "bar", {}).missing_roles == ("low",)


def test_a_first_row_with_numbers_is_no_header() -> None:
    assert not is_header(["2020-01-01 00:00:00", "7160.69", "7160.69"])
    assert not is_header(["1577836800000", "buy", "1.5"])
    assert is_header(["timestamp", "open"])


def test_files_without_a_header_take_the_usual_order_of_as_many_columns() -> None:
    row = ["2020-01-01 00:00", "1", "2", "0.5", "1.5"]
    assert map_positions(row, "bar", {}).positions == {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4}
    split = ["2020.01.01", "00:00", "1", "2", "0.5", "1.5", "10"]
    assert map_positions(split, "bar", {}).positions["time_of_day"] == 1
    unknown = ["2020-01-01", "1", "1", "2", "0.5", "1.5", "10"]
    assert map_positions(unknown, "bar", {}).positions == {}
    assert map_positions(row, "quote_tick", {"time": 1, "bid_price": 2, "ask_price": "3"}).positions == {
        "time": 0, "bid_price": 1, "ask_price": 2,
    }  # fmt: skip
