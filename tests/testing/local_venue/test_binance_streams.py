"""The stream socket of Binance Spot, word for word: VENUES 4.1."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

DriveVenue = Callable[..., Any]
Make = Callable[..., Any]

STREAMS = "/stream?streams="


def decode(frames: list[str]) -> list[Any]:
    return [json.loads(frame) for frame in frames]


async def test_a_trade_and_a_quote_have_the_words_and_digits_of_the_venue(
    drive_venue: DriveVenue, make_trade: Make, make_quote: Make
) -> None:
    venue = await drive_venue(
        [
            make_quote(0.5, 400, (618_000, 2_507), (618_002, 2_510)),
            make_trade(1.25, "61800.2", "0.006", trade_id=12_345),
        ]
    )
    raw, combined = venue.connect("/ws/btcusdt@trade/btcusdt@bookTicker"), venue.connect(STREAMS + "btcusdt@trade")
    await venue.to(2)
    trade = (
        '{"e":"trade","E":1704189601250,"s":"BTCUSDT","t":12345,"p":"61800.20","q":"0.006","T":1704189601250,'
        '"m":false,"M":true}'
    )
    quote = '{"u":400,"s":"BTCUSDT","b":"61800.00","B":"2.507","a":"61800.20","A":"2.510"}'
    assert raw.recv_waiting() == [quote, trade]
    assert combined.recv_waiting() == [f'{{"stream":"btcusdt@trade","data":{trade}}}']


async def test_times_are_in_microseconds_where_the_connection_asks_for_them(
    drive_venue: DriveVenue, make_trade: Make
) -> None:
    venue = await drive_venue([make_trade(1.000001, "100", "1")])
    fine, coarse = (
        venue.connect("/ws/btcusdt@trade?timeUnit=MICROSECOND"),
        venue.connect("/ws/btcusdt@trade"),
    )
    await venue.to(2)
    assert decode(fine.recv_waiting())[0]["T"] == 1_704_189_601_000_001
    assert decode(coarse.recv_waiting())[0]["T"] == 1_704_189_601_000


async def test_subscriptions_are_acknowledged_listed_and_ended(drive_venue: DriveVenue, make_trade: Make) -> None:
    venue = await drive_venue([make_trade(2, "100", "1"), make_trade(4, "101", "1")])
    client = venue.connect("/ws")
    client.send('{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@bookTicker"],"id":1}')
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":"two"}')
    await venue.to(3)
    client.send('{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":3}')
    await venue.to(5)
    acknowledged, listed, trade, ended = client.recv_waiting()
    assert acknowledged == '{"result":null,"id":1}'
    assert json.loads(listed) == {"result": ["btcusdt@trade", "btcusdt@bookTicker"], "id": "two"}
    assert json.loads(trade)["t"] == 1
    assert ended == '{"result":null,"id":3}'


async def test_a_property_makes_frames_combined(drive_venue: DriveVenue, make_trade: Make) -> None:
    venue = await drive_venue([make_trade(1, "100", "1")])
    client = venue.connect("/ws/btcusdt@trade")
    client.send('{"method":"SET_PROPERTY","params":["combined",true],"id":5}')
    await venue.to(2)
    assert decode(client.recv_waiting())[1]["stream"] == "btcusdt@trade"


@pytest.mark.parametrize(
    ("request_text", "says"),
    [
        ("garbage", "Invalid JSON"),
        ("[1]", "missing field `method`"),
        ('{"method":"SUBSCRIBE","params":"btcusdt@trade","id":1}', "params must be an array of strings"),
        ('{"method":"SUBSCRIBE","params":[7],"id":1}', "params must be an array of strings"),
        ('{"method":"SUBSCRIBE","params":[],"id":-1}', "request ID"),
        ('{"method":"DANCE","id":1}', "unknown variant `DANCE`"),
        ('{"method":"SET_PROPERTY","params":["colour",1],"id":1}', "property name"),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', "must be a boolean"),
        (json.dumps({"method": "SUBSCRIBE", "params": [f"a{n}@trade" for n in range(1_025)], "id": 1}), "at most 1024"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_the_connection_goes_on(
    drive_venue: DriveVenue, make_trade: Make, request_text: str, says: str
) -> None:
    venue = await drive_venue([make_trade(1, "100", "1")])
    client = venue.connect("/ws/btcusdt@trade")
    client.send(request_text)
    await venue.to(2)
    refusal, trade = decode(client.recv_waiting())
    assert says in refusal["error"]["msg"]
    assert trade["e"] == "trade"


async def test_an_unknown_stream_is_acknowledged_and_stays_silent(drive_venue: DriveVenue) -> None:
    """The real venue checks no symbols here; an adapter must ask exchangeInfo."""
    venue = await drive_venue()
    client = venue.connect("/ws")
    client.send('{"method":"SUBSCRIBE","params":["nosuch@trade","nosuch@kline_1m","nosuch@depth@100ms"],"id":1}')
    await venue.to(5)
    assert client.recv_waiting() == ['{"result":null,"id":1}']


async def test_a_sixth_message_within_a_second_ends_the_connection(drive_venue: DriveVenue) -> None:
    venue = await drive_venue()
    hasty, patient = venue.connect("/ws"), venue.connect("/ws")
    for number in range(6):
        hasty.send(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
    for number in range(8):
        await venue.to(0.25 * number)
        patient.send(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
    assert hasty.closing == (1_008, "Too many requests")
    assert len(hasty.recv_waiting()) == 5
    assert patient.closing is None


async def test_a_bar_is_said_while_it_is_open_and_once_when_it_is_over(
    drive_venue: DriveVenue, make_trade: Make
) -> None:
    """Open, high, low, close of 100, 104, 98; volume 1 + 2 + 1 = 4; value 100 + 208 + 98 = 406."""
    trades = [
        make_trade(1, "100", "1"), make_trade(2.5, "104", "2"), make_trade(59, "98", "1", buyer_is_maker=True),
        make_trade(60, "99", "1"),
    ]  # fmt: skip
    venue = await drive_venue(trades)
    await venue.to(1.5)
    client = venue.connect("/ws/btcusdt@kline_1m")
    await venue.to(61)
    bars = [frame["k"] for frame in decode(client.recv_waiting())]
    closed = [bar for bar in bars if bar["x"]]
    assert len(closed) == 1
    assert closed[0] == {
        "t": 1_704_189_600_000, "T": 1_704_189_659_999, "s": "BTCUSDT", "i": "1m", "f": 1, "L": 3, "o": "100.00",
        "c": "98.00", "h": "104.00", "l": "98.00", "v": "4.000", "n": 3, "x": True, "q": "406.00000", "V": "3.000",
        "Q": "308.00000", "B": "0",
    }  # fmt: skip
    assert len(bars) - 1 == 30, "one each 2 s, from 2 to 60"
    await venue.to(121)
    assert sum(frame["k"]["x"] for frame in decode(client.recv_waiting())) == 1


async def test_book_changes_join_without_a_hole_to_the_book_asked_for(
    drive_venue: DriveVenue, make_levels: Make
) -> None:
    """The sync that VENUES 4.1 describes: buffer, ask for the book, drop what it has, go on with the next id."""
    changes = [
        make_levels(0.05 * step, 100 + 7 * step, {1_000 - step % 3: step}, {1_010 + step % 4: step % 5})
        for step in range(1, 100)
    ]
    venue = await drive_venue(changes)
    client = venue.connect("/ws/btcusdt@depth@100ms")
    await venue.to(2.02)
    book = venue.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
    await venue.to(6)
    frames = decode(client.recv_waiting())
    assert all(after["U"] == before["u"] + 1 for before, after in pairwise(frames))
    assert all(frame["E"] % 100 == 0 for frame in frames)
    bids, asks = dict(book["bids"]), dict(book["asks"])
    for frame in frames:
        if frame["u"] > book["lastUpdateId"]:
            bids.update(frame["b"])
            asks.update(frame["a"])
    now = venue.get("/api/v3/depth?symbol=BTCUSDT")
    assert {p: q for p, q in bids.items() if float(q)} == dict(now["bids"])
    assert {p: q for p, q in asks.items() if float(q)} == dict(now["asks"])


async def test_a_partial_book_is_whole_in_each_frame_and_said_when_it_changed(
    drive_venue: DriveVenue, make_levels: Make
) -> None:
    asks = {1_010 + step: 1 for step in range(8)}
    venue = await drive_venue([make_levels(0.01, 5, {1_000: 3, 999: 2}, asks), make_levels(1.01, 6, {1_000: 0}, {})])
    client = venue.connect("/ws/btcusdt@depth5@100ms")
    await venue.to(3)
    first, second = decode(client.recv_waiting())
    assert first["lastUpdateId"] == 5
    assert first["bids"] == [["100.00", "0.003"], ["99.90", "0.002"]]
    assert [price for price, _ in first["asks"]] == ["101.00", "101.10", "101.20", "101.30", "101.40"]
    assert second["bids"] == [["99.90", "0.002"]]


async def test_a_session_ends_after_24_hours_with_notice(drive_venue: DriveVenue) -> None:
    venue = await drive_venue(session_ns=24 * 3_600 * 10**9)
    raw, combined = venue.connect("/ws"), venue.connect("/stream")
    await venue.to(24 * 3_600 - 601)
    assert raw.recv_waiting() == []
    await venue.to(24 * 3_600 - 1)
    (notice,) = decode(raw.recv_waiting())
    assert notice["e"] == "serverShutdown"
    assert decode(combined.recv_waiting())[0]["stream"] == "!serverShutdown"
    assert not raw.closing
    await venue.to(24 * 3_600)
    assert raw.closing == (1_001, "session over")
    assert await raw.recv() is None
