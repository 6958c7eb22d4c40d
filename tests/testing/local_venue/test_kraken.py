"""Kraken v2 and its REST, word for word: VENUES 4.2."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zlib import crc32

import pytest

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.testing.local_venue import SyntheticSource
from tradecore.testing.local_venue.fault import Fault
from tradecore.testing.local_venue.kraken_text import compute_checksum
from tradecore.testing.local_venue.venue_instrument import VenueInstrument

DriveVenue = Callable[..., Any]
Make = Callable[..., Any]

START_NS = 1_704_189_600 * SECOND_NS


def decode(frames: list[str]) -> list[Any]:
    return [json.loads(frame) for frame in frames]


def subscribe(client: Any, channel: str, *symbols: str, **params: Any) -> None:
    client.send(
        json.dumps({"method": "subscribe", "params": {"channel": channel, "symbol": symbols, **params}, "req_id": 1})
    )


@pytest.fixture
async def venue(drive_venue: DriveVenue) -> Any:
    """A synthetic market with five minutes of past."""
    return await drive_venue(source=SyntheticSource(START_NS, seed=5, history_ns=5 * MINUTE_NS))


def test_the_checksum_of_the_published_example() -> None:
    """The vector of VENUES 4.2."""
    pair = VenueInstrument("BTC", "USD", Decimal("0.1"), Decimal("0.00000001"))
    asks = """45285.2/0.00100000 45286.4/1.54571953 45286.6/1.54571109 45289.6/1.54560911 45290.2/0.15890660
        45291.8/1.54553491 45294.7/0.04454749 45296.1/0.35380000 45297.5/0.09945542 45299.5/0.18772827"""
    bids = """45283.5/0.10000000 45283.4/1.54582015 45282.1/0.10000000 45281.0/0.10000000 45280.3/1.54592586
        45279.0/0.07990000 45277.6/0.03310103 45277.5/0.30000000 45277.3/1.54602737 45276.6/0.15445238"""

    def read(text: str) -> list[tuple[int, int]]:
        levels = [level.split("/") for level in text.split()]
        return [(pair.prices.count(price), pair.sizes.count(size)) for price, size in levels]

    assert compute_checksum(pair, read(bids), read(asks)) == 3_310_070_434


async def test_a_connection_is_greeted_with_the_status(venue: Any) -> None:
    (status,) = decode(venue.connect("/v2").recv_waiting())
    assert (status["channel"], status["type"]) == ("status", "update")
    assert status["data"][0]["system"] == "online"
    assert status["data"][0]["api_version"] == "v2"


async def test_each_symbol_is_acknowledged_by_itself_and_an_unknown_one_refused(venue: Any) -> None:
    client = venue.connect("/v2")
    subscribe(client, "trade", "BTC/USD", "FOO/USD", "ETH/USDT", snapshot=False)
    _, first, refused, second = decode(client.recv_waiting())
    assert first["result"] == {"channel": "trade", "symbol": "BTC/USD", "snapshot": False}
    assert (first["method"], first["success"], first["req_id"]) == ("subscribe", True, 1)
    assert (refused["success"], refused["error"]) == (False, "Currency pair not supported FOO/USD")
    assert second["result"]["symbol"] == "ETH/USDT"
    assert first["time_in"] == "2024-01-02T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("request_text", "error"),
    [
        ("{", "Malformed request"),
        ('{"method":"dance"}', "Method dance not supported"),
        ('{"method":"subscribe","params":{"channel":"nope","symbol":["BTC/USD"]}}', "Channel nope not supported"),
        ('{"method":"subscribe","params":{"symbol":["BTC/USD"]}}', "Channel field is required"),
        ('{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":7}}', "depth not supported 7"),
        ('{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USD"],"interval":2}}', "not supported 2"),
        ('{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"x"}}', "trigger"),
        ('{"method":"subscribe","params":{"channel":"trade"}}', "Currency pair not supported"),
        ('{"method":"unsubscribe","params":{"channel":"trade","symbol":["BTC/USD"]}}', "Subscription Not Found"),
    ],
)
async def test_what_cannot_be_meant_is_refused(venue: Any, request_text: str, error: str) -> None:
    client = venue.connect("/v2")
    client.send(request_text)
    refused = decode(client.recv_waiting())[-1]
    assert refused["success"] is False
    assert error in refused["error"]


async def test_trades_begin_with_a_snapshot_of_fifty_and_go_on_with_the_next_id(venue: Any) -> None:
    client = venue.connect("/v2")
    subscribe(client, "trade", "BTC/USD", snapshot=True)
    await venue.to(30)
    frames = [frame for frame in decode(client.recv_waiting()) if frame.get("channel") == "trade"]
    assert [frame["type"] for frame in frames][:2] == ["snapshot", "update"]
    assert len(frames[0]["data"]) == 50
    ids = [row["trade_id"] for frame in frames for row in frame["data"]]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert ids[50:] == [trade.trade_id for trade in venue.venue.truth().trades("BTCUSD", live_only=True)]
    row = frames[-1]["data"][0]
    assert set(row) == {"symbol", "side", "price", "qty", "ord_type", "trade_id", "timestamp"}
    assert row["side"] in ("buy", "sell")


async def test_numbers_carry_all_their_digits(venue: Any) -> None:
    """Kraken's checksum is of the digits as sent: 0.10000000, not 0.1."""
    client = venue.connect("/v2")
    subscribe(client, "book", "BTC/USD", depth=10)
    snapshot = client.recv_waiting()[-1]
    for level in json.loads(snapshot, parse_float=str)["data"][0]["bids"]:
        assert len(level["price"].partition(".")[2]) == 1
        assert len(level["qty"].partition(".")[2]) == 8


@pytest.mark.parametrize("depth", [10, 25])
async def test_a_book_followed_by_the_rules_has_the_venues_checksum_after_each_frame(venue: Any, depth: int) -> None:
    """Apply all, drop what falls out of the depth, then compare: an independent reader, with digits as sent."""
    client = venue.connect("/v2")
    subscribe(client, "book", "BTC/USD", depth=depth)
    await venue.to(60)
    frames = [json.loads(frame, parse_float=str) for frame in client.recv_waiting()]
    books = [frame["data"][0] for frame in frames if frame.get("channel") == "book"]
    sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
    for book in books:
        for name, levels in sides.items():
            levels.update({level["price"]: level["qty"] for level in book[name]})
            ranked = sorted(levels, key=Decimal, reverse=name == "bids")
            sides[name] = {price: levels[price] for price in [p for p in ranked if float(levels[p])][:depth]}
        best = [*list(sides["asks"].items())[:10], *list(sides["bids"].items())[:10]]
        text = "".join(number.replace(".", "").lstrip("0") for level in best for number in level)
        assert crc32(text.encode()) == int(book["checksum"])
    assert len(books) > 200
    assert len(sides["bids"]) == depth or depth == 25, "the ladder has 25 rungs, and takers take some"


async def test_best_prices_come_at_each_change_where_bbo_triggers(venue: Any) -> None:
    client = venue.connect("/v2")
    subscribe(client, "ticker", "BTC/USD", event_trigger="bbo", snapshot=False)
    await venue.to(20)
    rows = [f["data"][0] for f in decode(client.recv_waiting()) if f.get("channel") == "ticker"]
    quotes = venue.venue.truth().quotes("BTCUSD", live_only=True)
    assert [(row["bid"], row["ask"]) for row in rows] == [(q.bid_price / 10, q.ask_price / 10) for q in quotes]
    assert {"bid_qty", "ask_qty", "last", "volume", "vwap", "low", "high", "change", "change_pct", "timestamp"} <= set(
        rows[0]
    )


async def test_silence_is_filled_with_a_heartbeat_each_second(drive_venue: DriveVenue, make_trade: Make) -> None:
    """At 1, 2 and 3 s; the trade at 3.5 s is a sign of life too, so the next ones are due at 4.5 and 5.5 s."""
    venue = await drive_venue([make_trade(3.5, "100", "1")])
    client, idle = venue.connect("/v2"), venue.connect("/v2")
    subscribe(client, "trade", "BTC/USDT", snapshot=False)
    client.recv_waiting()
    await venue.to(5.6)
    frames = decode(client.recv_waiting())
    assert [frame["channel"] for frame in frames] == ["heartbeat"] * 3 + ["trade"] + ["heartbeat"] * 2
    assert [frame["channel"] for frame in decode(idle.recv_waiting())] == ["status"], "nothing is subscribed there"


async def test_the_heartbeat_goes_on_while_the_only_topics_are_mute(drive_venue: DriveVenue, make_trade: Make) -> None:
    """A trade each half second from 0.5 to 4.5 s, all kept back: what was not said is no sign of life."""
    trades = [make_trade(at / 2, "100", "1") for at in range(1, 10)]
    venue = await drive_venue(trades, faults=(Fault(kind="mute", topic="trade:*"),))
    client = venue.connect("/v2")
    subscribe(client, "trade", "BTC/USDT", snapshot=False)
    client.recv_waiting()
    await venue.to(4.6)
    assert [frame["channel"] for frame in decode(client.recv_waiting())] == ["heartbeat"] * 4


async def test_a_ping_is_answered_with_times(venue: Any) -> None:
    client = venue.connect("/v2")
    client.send('{"method":"ping","req_id":9}')
    pong = decode(client.recv_waiting())[-1]
    assert (pong["method"], pong["req_id"]) == ("pong", 9)
    assert pong["time_in"] <= pong["time_out"]


async def test_bars_are_said_at_each_trade_and_have_no_closing_mark(venue: Any) -> None:
    client = venue.connect("/v2")
    subscribe(client, "ohlc", "BTC/USD", interval=1, snapshot=False)
    await venue.to(61)
    frames = [f for f in decode(client.recv_waiting()) if f.get("channel") == "ohlc"]
    assert len(frames) == len(venue.venue.truth().trades("BTCUSD", live_only=True))
    first, last = frames[0]["data"][0], frames[-1]["data"][0]
    assert first["interval_begin"] == "2024-01-02T10:00:00.000000000Z"
    assert first["timestamp"] == "2024-01-02T10:01:00.000000Z"
    assert last["interval"] == 1


async def test_instruments_come_as_one_object(venue: Any) -> None:
    client = venue.connect("/v2")
    client.send('{"method":"subscribe","params":{"channel":"instrument"},"req_id":4}')
    _, acknowledged, snapshot = decode(client.recv_waiting())
    assert acknowledged["result"]["channel"] == "instrument"
    pairs = {pair["symbol"]: pair for pair in snapshot["data"]["pairs"]}
    assert pairs["BTC/USD"]["price_increment"] == 0.1
    assert pairs["BTC/USD"]["qty_increment"] == 1e-8
    assert {asset["id"] for asset in snapshot["data"]["assets"]} == {"BTC", "USDT", "ETH", "USD"}


async def test_an_ended_subscription_is_silent(venue: Any) -> None:
    client = venue.connect("/v2")
    subscribe(client, "trade", "BTC/USD", snapshot=False)
    client.send('{"method":"unsubscribe","params":{"channel":"trade","symbol":["BTC/USD"]},"req_id":2}')
    assert decode(client.recv_waiting())[-1]["success"] is True
    await venue.to(20)
    assert client.recv_waiting() == []


# ------------------------------------------------------------------------------------------------------------ REST


async def test_all_trades_can_be_read_page_by_page_from_any_instant(venue: Any) -> None:
    await venue.to(5)
    seen: list[int] = []
    since = "0"
    while True:
        result = venue.get(f"/0/public/Trades?pair=XBTUSD&since={since}")["result"]
        if not result["XXBTZUSD"]:
            break
        seen += [row[6] for row in result["XXBTZUSD"]]
        since = result["last"]
    assert seen == [trade.trade_id for trade in venue.venue.truth().trades("BTCUSD")]
    assert len(seen) > 1_000


async def test_a_page_never_ends_within_an_instant(drive_venue: DriveVenue, make_trade: Make) -> None:
    """Else `since`, which is a time, would skip what is left of it."""
    trades = [make_trade(1 + n // 3, "100", "1", symbol="BTCUSDT") for n in range(9)]
    venue = await drive_venue(trades)
    await venue.to(10)
    first = venue.get("/0/public/Trades?pair=XBTUSDT&since=0&count=5")["result"]
    assert [row[6] for row in first["XBTUSDT"]] == [1, 2, 3]
    second = venue.get(f"/0/public/Trades?pair=XBTUSDT&since={first['last']}&count=7")["result"]
    assert [row[6] for row in second["XBTUSDT"]] == [4, 5, 6, 7, 8, 9]


async def test_no_more_than_720_bars_can_ever_be_read(drive_venue: DriveVenue) -> None:
    source = SyntheticSource(START_NS, seed=5, history_ns=13 * 60 * MINUTE_NS, steps_per_second=0.05)
    venue = await drive_venue(source=source)
    result = venue.get("/0/public/OHLC?pair=XBTUSD&interval=1&since=0")["result"]
    rows = result["XXBTZUSD"]
    assert len(rows) == 720
    assert rows[-1][0] == START_NS // SECOND_NS, "the last one is still open"
    assert result["last"] == rows[-2][0]


async def test_questions_may_stand_in_a_body(venue: Any) -> None:
    answer = venue.venue.request("POST", "/0/public/Depth", b"pair=XBTUSD&count=2", "application/x-www-form-urlencoded")
    book = json.loads(answer.body)["result"]["XXBTZUSD"]
    assert [len(book["asks"]), len(book["bids"])] == [2, 2]


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("/0/public/Trades?pair=NOPE", "EQuery:Unknown asset pair"),
        ("/0/public/Trades", "EGeneral:Invalid arguments"),
        ("/0/public/Trades?pair=XBTUSD&since=x", "EGeneral:Invalid arguments:since"),
        ("/0/public/OHLC?pair=XBTUSD&interval=7", "EGeneral:Invalid arguments:interval"),
        ("/0/public/Assets?asset=NOPE", "EQuery:Unknown asset"),
        ("/0/private/Balance", "EGeneral:Unknown method"),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_the_venues_words(venue: Any, target: str, error: str) -> None:
    assert venue.get(target)["error"] == [error]


async def test_too_many_calls_are_refused_until_the_counter_has_fallen(venue: Any) -> None:
    """60 at once, then 2 each second."""
    calls = [venue.venue.request("GET", "/0/public/Time").status for _ in range(61)]
    assert calls == [200] * 60 + [429]
    await venue.to(1)
    assert [venue.venue.request("GET", "/0/public/Time").status for _ in range(3)] == [200, 200, 429]
