"""Binance Spot's requests, over HTTP and over the WebSocket API: VENUES 4.1."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

DriveVenue = Callable[..., Any]
Make = Callable[..., Any]

T0 = 1_704_189_600_000  # ms of the start


@pytest.fixture
async def venue(drive_venue: DriveVenue, make_trade: Make, make_levels: Make) -> Any:
    """Ten trades at 1, 11, ... 91 s with ids 50..59, prices 100..109; a book of two levels a side."""
    trades = [make_trade(1 + 10 * n, f"{100 + n}", "0.5", trade_id=50 + n) for n in range(10)]
    made = await drive_venue([make_levels(0.5, 9, {999: 4, 998: 3}, {1_101: 2, 1_102: 1}), *trades])
    await made.to(95)
    return made


async def test_markets_carry_the_filters_that_clients_take_increments_from(venue: Any) -> None:
    (symbol,) = venue.get("/api/v3/exchangeInfo?symbol=BTCUSDT")["symbols"]
    filters = {each["filterType"]: each for each in symbol["filters"]}
    assert (symbol["baseAsset"], symbol["quoteAsset"], symbol["status"]) == ("BTC", "USDT", "TRADING")
    assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
    assert filters["LOT_SIZE"]["stepSize"] == filters["LOT_SIZE"]["minQty"] == "0.001"


async def test_history_by_id_gives_pages_that_join(venue: Any) -> None:
    pages = [venue.get(f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={first}&limit=4") for first in (50, 54, 58, 60)]
    assert [[row["id"] for row in page] for page in pages] == [[50, 51, 52, 53], [54, 55, 56, 57], [58, 59], []]
    assert pages[0][0] == {
        "id": 50, "price": "100.00", "qty": "0.500", "quoteQty": "50.00000", "time": T0 + 1_000,
        "isBuyerMaker": False, "isBestMatch": True,
    }  # fmt: skip
    assert [row["id"] for row in venue.get("/api/v3/trades?symbol=BTCUSDT&limit=2")] == [58, 59]


async def test_bars_between_two_times_and_the_last_one_still_open(venue: Any) -> None:
    bars = venue.get(f"/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={T0}&endTime={T0 + 120_000}")
    # 6 trades of 0.5 in the first minute: 100 to 105, value 0.5 x 615; 4 in the second, until now.
    assert [bar[:9] for bar in bars] == [
        [T0, "100.00", "105.00", "100.00", "105.00", "3.000", T0 + 59_999, "307.50000", 6],
        [T0 + 60_000, "106.00", "109.00", "106.00", "109.00", "2.000", T0 + 119_999, "215.00000", 4],
    ]
    assert [bar[0] for bar in venue.get("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=1")] == [T0 + 60_000]
    assert venue.get(f"/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={T0 + 1}")[0][0] == T0 + 60_000


async def test_the_book_the_tickers_and_the_aggregates(venue: Any) -> None:
    assert venue.get("/api/v3/depth?symbol=BTCUSDT&limit=1") == {
        "lastUpdateId": 9, "bids": [["99.90", "0.004"]], "asks": [["110.10", "0.002"]],
    }  # fmt: skip
    best = venue.get("/api/v3/ticker/bookTicker?symbol=BTCUSDT")
    assert (best["bidPrice"], best["askQty"]) == ("99.90", "0.002")
    assert venue.get("/api/v3/ticker/price") == [{"symbol": "BTCUSDT", "price": "109.00"}]
    day = venue.get("/api/v3/ticker/24hr?symbol=BTCUSDT")
    assert (day["priceChange"], day["count"], day["lastId"]) == ("9.00", 10, 59)
    assert [row["f"] for row in venue.get("/api/v3/aggTrades?symbol=BTCUSDT&fromId=9")] == [58, 59]
    assert venue.get("/api/v3/avgPrice?symbol=BTCUSDT")["price"] == "104.50"


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/api/v3/klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("/api/v3/trades?symbol=NOSUCH", 400, -1121),
        ("/api/v3/trades", 400, -1102),
        ("/api/v3/trades?symbol=BTCUSDT&limit=many", 400, -1100),
        ("/api/v3/trades?symbol=BTCUSDT&limit=0", 400, -1130),
        ("/api/v3/order", 404, -1099),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_code(venue: Any, target: str, status: int, code: int) -> None:
    answer = venue.venue.request("GET", target)
    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)


async def test_a_request_over_the_websocket_api_says_what_it_cost(venue: Any) -> None:
    client = venue.connect("/ws-api/v3")
    client.send('{"id":"a","method":"trades.historical","params":{"symbol":"BTCUSDT","fromId":57,"limit":2}}')
    client.send('{"id":2,"method":"time"}')
    client.send('{"id":3,"method":"klines","params":{"symbol":"BTCUSDT","interval":"x"}}')
    client.send('{"id":4,"method":"order.place","params":{}}')
    client.send("nonsense")
    trades, time, bad, unknown, broken = (json.loads(frame) for frame in client.recv_waiting())
    assert (trades["id"], trades["status"], [row["id"] for row in trades["result"]]) == ("a", 200, [57, 58])
    # connecting costs 2, trades.historical 25
    assert trades["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000, "count": 27}
    ]
    assert time["result"] == {"serverTime": T0 + 95_000}
    assert (bad["status"], bad["error"]["code"]) == (400, -1_120)
    assert unknown["error"]["msg"] == "Method order.place is not served here."
    assert broken["status"] == 400


async def test_limits_can_be_left_out_and_times_be_finer(venue: Any) -> None:
    client = venue.connect("/ws-api/v3?returnRateLimits=false&timeUnit=MICROSECOND")
    client.send('{"id":1,"method":"time"}')
    assert json.loads(client.recv_waiting()[0]) == {
        "id": 1, "status": 200, "result": {"serverTime": (T0 + 95_000) * 1_000},
    }  # fmt: skip


async def test_too_much_weight_is_refused_with_the_time_to_wait_then_banned(venue: Any) -> None:
    """A depth of 5000 weighs 250: 24 of them are the 6,000 of a minute; it is 95 s, the next minute is 25 s away."""
    answers = [venue.venue.request("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5000") for _ in range(36)]
    assert [answer.status for answer in answers] == [200] * 24 + [429] * 10 + [418] * 2
    assert dict(answers[23].headers)["X-MBX-USED-WEIGHT-1M"] == "6000"
    assert dict(answers[24].headers)["Retry-After"] == "25"
    assert dict(answers[35].headers)["Retry-After"] == "120"
    await venue.to(121)
    assert venue.venue.request("GET", "/api/v3/time").status == 418, "a ban outlasts the minute"
    await venue.to(95 + 120)
    assert venue.venue.request("GET", "/api/v3/time").status == 200


async def test_over_the_websocket_api_the_refusal_names_when_to_come_back(venue: Any) -> None:
    client = venue.connect("/ws-api/v3")
    for number in range(25):
        client.send(json.dumps({"id": number, "method": "depth", "params": {"symbol": "BTCUSDT", "limit": 5_000}}))
    refused = json.loads(client.recv_waiting()[-1])
    assert (refused["id"], refused["status"], refused["error"]["code"]) == (24, 429, -1_003)
    assert refused["error"]["data"] == {"serverTime": T0 + 95_000, "retryAfter": T0 + 120_000}
