"""Whatever a client says, the venue answers or refuses: nothing a client can send breaks it for the others."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.testing.local_venue import LocalVenue, SyntheticSource
from tradecore.testing.local_venue.synthetic_source import SyntheticPair
from tradecore.testing.virtual_run import run_virtual

START_NS = 1_704_189_600 * SECOND_NS
PAIR = SyntheticPair(
    base="BTC", quote="USD", price=Decimal(60_000), size=Decimal("0.2"), price_increment=Decimal("0.1"),
    size_increment=Decimal("0.001"),
)  # fmt: skip


CLOCK = [0]


def make_venue() -> LocalVenue:
    """One venue for all examples: what one client sends must not matter to the next."""
    source = SyntheticSource(START_NS, seed=1, pairs=(PAIR,), history_ns=MINUTE_NS)
    venue = LocalVenue(source, monotonic_ns=lambda: CLOCK[0])
    run_virtual(venue.play.prepare, seed=0)
    venue.clock.start()
    return venue


VENUE = make_venue()

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["BTCUSD", "BTC/USD", "trade", "book", "ohlc", "ticker", "1m", "9" * 5_000, "1e999999"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
names = st.sampled_from(["symbol", "symbols", "limit", "fromId", "startTime", "interval", "depth", "channel", "since"])
params = st.dictionaries(names | st.text(max_size=4), values, max_size=5)
methods = st.sampled_from(
    ["SUBSCRIBE", "UNSUBSCRIBE", "SET_PROPERTY", "subscribe", "unsubscribe", "ping", "time", "klines", "depth",
     "trades.historical", "trades.aggregate", "exchangeInfo", "ticker.24hr"]
)  # fmt: skip
requests = st.fixed_dictionaries({}, optional={"method": methods | values, "params": params | values, "id": values})


@given(st.sampled_from(["/ws", "/stream", "/ws-api/v3", "/v2"]), st.lists(requests, max_size=4), st.text(max_size=40))
def test_every_request_on_a_websocket_is_answered_by_json(target: str, said: list[Any], other: str) -> None:
    client = VENUE.connect(target)
    for request in [*map(json.dumps, said), other]:
        client.send(request)
    frames = client.recv_waiting()
    assert len(frames) >= len(said) + 1
    for frame in frames:
        json.loads(frame)
    client.close()


PATHS = [
    "/api/v3/exchangeInfo", "/api/v3/depth", "/api/v3/klines", "/api/v3/historicalTrades", "/api/v3/aggTrades",
    "/0/public/Trades", "/0/public/OHLC", "/0/public/Depth", "/0/public/Ticker", "/tradecore/faults",
    "/tradecore/truth",
]  # fmt: skip


@given(st.sampled_from(PATHS) | st.text(max_size=10), params, st.booleans(), st.binary(max_size=30))
def test_every_plain_request_has_an_answer(path: str, asked: dict[str, Any], in_body: bool, noise: bytes) -> None:
    query = "&".join(f"{quote(str(name))}={quote(str(value))}" for name, value in asked.items())
    body = json.dumps(asked).encode() if in_body else noise
    CLOCK[0] += MINUTE_NS  # budgets are full again: what is asked is answered, not refused unread
    for target, sent in ((f"{path}?{query}", b""), (path, body)):
        answer = VENUE.request("GET", target, sent, "application/json" if in_body else "")
        json.loads(answer.body)
        assert answer.status in (200, 400, 404, 405)
