"""Kraken v2 frames: golden ones of the venue's documentation (VENUES 4.2), both ways, the checksum, what is refused."""

from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.event import CROSSED, NO_VENUE_TIME
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import parse_ns
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import FeedDataError, SubscriptionRefused
from tradecore.venues.feed_dialect import Answer, BookChange, Notice
from tradecore.venues.kraken_book import KrakenBook
from tradecore.venues.kraken_codec import KrakenCodec, SystemStatus

BTC = "BTC/USD.KRAKEN"
MATIC = "MATIC/USD.KRAKEN"
TRADES, QUOTES, DEPTH = Stream("trade_tick", MATIC), Stream("quote_tick", BTC), Stream("depth", BTC)
ALL = [TRADES, QUOTES, DEPTH]

TRADE_FRAME = (
    b'{"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"buy","price":0.5147,"qty":6423.46326,'
    b'"ord_type":"limit","trade_id":4665846,"timestamp":"2023-09-25T07:48:36.925533Z"},{"symbol":"MATIC/USD",'
    b'"side":"sell","price":0.5146,"qty":1.5,"ord_type":"market","trade_id":4665847,'
    b'"timestamp":"2023-09-25T07:48:36.925533Z"}]}'
)
TICKER_FRAME = (
    b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":45283.5,"bid_qty":0.1,"ask":45285.2,'
    b'"ask_qty":0.001,"last":45285.2,"volume":1.0,"vwap":45000.0,"low":44000.0,"high":46000.0,"change":1.0,'
    b'"change_pct":0.1,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)
# The book of the venue's own checksum guide.
ASKS = [
    ("45285.2", "0.00100000"), ("45286.4", "1.54571953"), ("45286.6", "1.54571109"), ("45289.6", "1.54560911"),
    ("45290.2", "0.15890660"), ("45291.8", "1.54553491"), ("45294.7", "0.04454749"), ("45296.1", "0.35380000"),
    ("45297.5", "0.09945542"), ("45299.5", "0.18772827"),
]  # fmt: skip
BIDS = [
    ("45283.5", "0.10000000"), ("45283.4", "1.54582015"), ("45282.1", "0.10000000"), ("45281.0", "0.10000000"),
    ("45280.3", "1.54592586"), ("45279.0", "0.07990000"), ("45277.6", "0.03310103"), ("45277.5", "0.30000000"),
    ("45277.3", "1.54602737"), ("45276.6", "0.15445238"),
]  # fmt: skip
CHECKSUM = 3_310_070_434


def book_frame(
    kind: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]], checksum: int, symbol: str = "BTC/USD"
) -> bytes:
    def levels(side: list[tuple[str, str]]) -> str:
        return "[" + ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in side) + "]"

    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":{levels(bids)},"asks":{levels(asks)},'
        f'"checksum":{checksum},"timestamp":"2023-10-06T17:35:55.440295Z"}}]}}'
    ).encode()


def make_codec() -> KrakenCodec:
    codec = KrakenCodec("KRAKEN")
    codec.encode_subscribe(ALL)
    return codec


def decode(frame: bytes, codec: KrakenCodec | None = None) -> Any:
    return (codec or make_codec()).decode(frame, count(7).__next__)


def feed_book(book: KrakenBook, frame: bytes, codec: KrakenCodec | None = None) -> Any:
    ((_, change, number),) = decode(frame, codec)
    return book.take(change, number)


def is_waiting(book: KrakenBook) -> bool:
    return book.needs_resync


def test_a_frame_of_several_trades_gives_each_with_its_own_receive_time() -> None:
    ts = parse_ns("2023-09-25T07:48:36.925533Z")
    assert decode(TRADE_FRAME) == [
        (TRADES, TradeTick(MATIC, ts, 7, 0.5147, 6423.46326, Aggressor.BUYER, "4665846"), 4_665_846),
        (TRADES, TradeTick(MATIC, ts, 8, 0.5146, 1.5, Aggressor.SELLER, "4665847"), 4_665_847),
    ]


def test_a_ticker_is_a_quote_with_the_venues_time_or_says_that_it_has_none() -> None:
    ts = parse_ns("2023-10-06T17:35:55.440295Z")
    assert decode(TICKER_FRAME) == [(QUOTES, QuoteTick(BTC, ts, 7, 45283.5, 0.1, 45285.2, 0.001), 0)]
    old = TICKER_FRAME.replace(b',"timestamp":"2023-10-06T17:35:55.440295Z"', b"")
    assert decode(old) == [(QUOTES, QuoteTick(BTC, 7, 7, 45283.5, 0.1, 45285.2, 0.001, 0, NO_VENUE_TIME), 0)]
    crossed = TICKER_FRAME.replace(b'"bid":45283.5', b'"bid":45300.0')
    ((_, quote, _),) = decode(crossed)
    assert quote.flags == CROSSED


def test_the_checksum_of_the_venues_own_example_is_3310070434() -> None:
    book = KrakenBook(BTC, levels=5, depth=25)
    snapshot = feed_book(book, book_frame("snapshot", BIDS, ASKS, CHECKSUM))
    assert book.compute_checksum() == CHECKSUM
    assert snapshot.bids[0] == (45283.5, 0.1)
    assert [price for price, _ in snapshot.asks] == [45285.2, 45286.4, 45286.6, 45289.6, 45290.2]
    assert snapshot.ts_event == parse_ns("2023-10-06T17:35:55.440295Z")
    assert book.news == []


def test_numbers_cut_short_are_padded_to_the_pairs_precision() -> None:
    """JSON writers may send 0.1 for 0.10000000 and 1e-08 for 0.00000001; the checksum wants the pair's own digits."""
    short = [(price, repr(float(size))) for price, size in BIDS]
    codec = make_codec()
    codec.precisions["BTC/USD"] = (1, 8)
    book = KrakenBook(BTC, levels=5, depth=25)
    assert feed_book(book, book_frame("snapshot", short, ASKS, CHECKSUM), codec) is not None


def test_a_checksum_that_differs_is_a_gap_until_a_whole_book_agrees() -> None:
    book = KrakenBook(BTC, levels=5, depth=25)
    feed_book(book, book_frame("snapshot", BIDS, ASKS, CHECKSUM))
    assert feed_book(book, book_frame("update", [("45283.5", "0.2")], [], CHECKSUM)) is None
    assert is_waiting(book)
    (news,) = book.news
    assert news[0] is FeedState.GAP
    assert "checksum" in news[1]
    book.news.clear()
    assert feed_book(book, book_frame("update", [], [], CHECKSUM)) is None, "not even one that would agree now"
    assert feed_book(book, book_frame("snapshot", BIDS, ASKS, CHECKSUM)) is not None
    assert not is_waiting(book)
    assert [state for state, _ in book.news] == [FeedState.RECOVERED]


def test_a_change_before_a_whole_book_asks_for_one() -> None:
    book = KrakenBook(BTC, levels=5, depth=25)
    assert feed_book(book, book_frame("update", BIDS, ASKS, CHECKSUM)) is None
    assert book.needs_resync


def test_a_book_keeps_the_depth_it_subscribed_to() -> None:
    """What falls out of the depth is not told to be gone: kept, it would come back when better levels go."""
    book = KrakenBook(BTC, levels=25, depth=10)
    feed_book(book, book_frame("snapshot", BIDS, ASKS, CHECKSUM))
    ((_, change, _),) = decode(book_frame("update", [("45284.0", "1.00000000")], [], 0))
    change.checksum = None
    snapshot = book.take(change, 0)
    assert snapshot is not None
    assert len(snapshot.bids) == 10
    assert snapshot.bids[0] == (45284.0, 1.0)
    assert 45276.6 not in [price for price, _ in snapshot.bids]


def test_answers_carry_the_venues_words_and_its_time() -> None:
    subscribed = (
        b'{"method":"subscribe","result":{"channel":"trade","symbol":"MATIC/USD","snapshot":false},"success":true,'
        b'"time_in":"2023-09-25T09:04:31.742599Z","time_out":"2023-09-25T09:04:31.742648Z","req_id":5}'
    )
    assert decode(subscribed) == Answer(5, value=parse_ns("2023-09-25T09:04:31.742648Z"))
    refused = b'{"error":"Currency pair not supported NO/PE","method":"subscribe","success":false,"req_id":6}'
    assert decode(refused) == Answer(6, "Currency pair not supported NO/PE")
    assert decode(b'{"Error":"Exceeded msg rate"}') == Answer(0, "Exceeded msg rate")
    pong = (
        b'{"method":"pong","req_id":9,"time_in":"2023-09-24T14:10:23.799685Z","time_out":"2023-09-24T14:10:23.799703Z"}'
    )
    assert decode(pong) == Answer(9, value=parse_ns("2023-09-24T14:10:23.799703Z"))
    assert decode(b'{"channel":"heartbeat"}') is None
    status = b'{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2","version":"2.0.0"}]}'
    assert decode(status) == Notice(SystemStatus("online"))
    assert decode(status.replace(b'{"system":"online","api_version":"v2","version":"2.0.0"}', b"")) is None


def test_pairs_come_as_a_notice_with_exact_increments() -> None:
    frame = (
        b'{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[{"symbol":"BTC/USD","base":"BTC",'
        b'"quote":"USD","status":"online","qty_precision":8,"qty_increment":1e-08,"price_precision":1,'
        b'"price_increment":0.1,"qty_min":0.0001}]}}'
    )
    notice = decode(frame)
    assert isinstance(notice, Notice)
    (pair,) = notice.value
    assert (pair.symbol, pair.price_increment, pair.qty_increment) == ("BTC/USD", Decimal("0.1"), Decimal("0.00000001"))
    assert (pair.price_precision, pair.qty_precision) == (1, 8)


def test_requests_are_written_as_the_venue_reads_them() -> None:
    codec = KrakenCodec("KRAKEN", depth_levels=20)
    frames = [msgspec.json.decode(request.frame) for request in codec.encode_subscribe(ALL)]
    assert frames == [
        {
            "method": "subscribe",
            "params": {"channel": "trade", "symbol": ["MATIC/USD"], "snapshot": False},
            "req_id": 1,
        },
        {
            "method": "subscribe",
            "params": {"channel": "ticker", "symbol": ["BTC/USD"], "snapshot": True, "event_trigger": "bbo"},
            "req_id": 2,
        },
        {
            "method": "subscribe",
            "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 25, "snapshot": True},
            "req_id": 3,
        },
    ]
    assert msgspec.json.decode(codec.encode_unsubscribe(DEPTH).frame) == {
        "method": "unsubscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 25}, "req_id": 4,
    }  # fmt: skip


def test_bars_are_refused_with_what_to_do_instead() -> None:
    bars = Stream("bar", "BTC/USD.KRAKEN 1m last")
    with pytest.raises(SubscriptionRefused, match="made of its trades"):
        KrakenCodec("KRAKEN").make_track(bars)


@pytest.mark.parametrize(
    ("frame", "old", "new"),
    [
        (TRADE_FRAME, b'"price":0.5147', b'"price":"NaN"'),
        (TRADE_FRAME, b'"price":0.5147', b'"price":-1'),
        (TRADE_FRAME, b'"price":0.5147', b'"price":1e400'),
        (TRADE_FRAME, b'"side":"buy"', b'"side":"both"'),
        (TRADE_FRAME, b'"trade_id":4665846', b'"trade_id":-1'),
        (TRADE_FRAME, b'"qty":6423.46326,', b""),
        (TRADE_FRAME, b'"type":"update"', b'"type":7'),
        (TICKER_FRAME, b'"timestamp":"2023-10-06T17:35:55.440295Z"', b'"timestamp":"2023-10-06T17:35:55"'),
        (TICKER_FRAME, b'"timestamp":"2023-10-06T17:35:55.440295Z"', b'"timestamp":"9999-10-06T17:35:55Z"'),
        (TICKER_FRAME, b'"bid_qty":0.1', b'"bid_qty":-0.1'),
        (TICKER_FRAME, b'"channel":"ticker"', b'"channel":"tocker"'),
    ],
)
def test_a_value_that_no_market_has_is_refused(frame: bytes, old: bytes, new: bytes) -> None:
    assert old in frame
    with pytest.raises(FeedDataError):
        decode(frame.replace(old, new, 1))


@pytest.mark.parametrize("size", ["1E-999999999", "1E+999999", '"NaN"', '"Infinity"', "-1", "1E-31"])
def test_a_level_of_a_thousand_digits_is_refused_before_it_is_written_out(size: str) -> None:
    with pytest.raises(FeedDataError):
        decode(book_frame("update", [("100.0", size)], [], 1))


GOLDEN = (TRADE_FRAME, TICKER_FRAME, book_frame("snapshot", BIDS[:2], ASKS[:2], 1))


def check_whatever_decodes(frame: bytes) -> bool:
    """True when events came of it; they must be sound."""
    try:
        decoded = decode(frame)
    except FeedDataError:
        return False
    for _, item, _ in decoded if isinstance(decoded, list) else ():
        if isinstance(item, BookChange):
            KrakenBook(BTC, levels=5, depth=25).take(item, 0)
        else:
            item.check()
    return isinstance(decoded, list)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_the_typed_error(frame: bytes) -> None:
    for text in (frame, b'{"channel":"trade","data":' + frame, b'{"channel":"' + frame, b'{"method":' + frame):
        check_whatever_decodes(text)


def test_every_single_bit_of_every_golden_frame_may_flip() -> None:
    """About 8,000 frames: nothing but sound events, nothing, or FeedDataError."""
    outcomes = [0, 0]
    for frame in GOLDEN:
        for bit in range(len(frame) * 8):
            flipped = bytearray(frame)
            flipped[bit // 8] ^= 1 << bit % 8
            outcomes[check_whatever_decodes(bytes(flipped))] += 1
    assert min(outcomes) > 500
