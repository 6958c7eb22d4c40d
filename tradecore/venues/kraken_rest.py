"""KrakenRest: the past of a pair's trades over Kraken's REST interface.

Receives: a pair, a stretch of time.
Gives:    pages of trades in order, each once, with the times that the socket gives (cut to microseconds).
Never:    asks more than about once a second, which is what the venue bears without a key.    VENUES 4.2, 4.5.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

import anyio
import msgspec

from tradecore.domain.clock import Clock
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import FeedDataError, VenueRateLimited, VenueRequestFailed, VenueUntrusted
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.frame_fields import Price, Size, decode_frame, lenient
from tradecore.venues.frame_fields import Sequence as TradeNumber
from tradecore.venues.handshake import WAIT_STATUSES, read_retry_after
from tradecore.venues.http_request import HttpFailed, load_http
from tradecore.venues.kraken_book import CHECKED_LEVELS

REST_URL: Final = "https://api.kraken.com"
PAGE_ROWS: Final = 1_000
INTERVAL_S: Final = 1.0  # between questions
TRIES_MAX: Final = 4  # of one question
RATE_LIMIT_S: Final = 15.0  # after "Rate limit exceeded": what the venue's counter needs to fall from its top
RETRY_AFTER_MAX_S: Final = 130.0
SECONDS_MAX: Final = 9_000_000_000  # since 1970: the year 2255
SERVER_ERRORS: Final = range(500, 600)

# Price, volume, seconds since 1970 UTC, side, order type, miscellaneous, trade id.
_Row = tuple[Price, Size, Decimal, str, str, str, TradeNumber]


class _Answer(msgspec.Struct):
    error: list[str] = []
    result: dict[str, msgspec.Raw] = {}


class _Depth(msgspec.Struct):
    # Price, volume, time of each level; the time is when the answer was made.
    bids: list[tuple[str, str, int]]
    asks: list[tuple[str, str, int]]


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ROWS: Final = lenient(list[_Row])
_LAST: Final = lenient(int)
_DEPTH: Final = lenient(_Depth)
_SIDES: Final = {"b": Aggressor.BUYER, "s": Aggressor.SELLER}


class KrakenRest:
    """Questions to one REST host. Raises VenueRequestFailed, VenueRateLimited, VenueUntrusted from every call."""

    def __init__(self, venue: str, settings: ConnectionSettings, *, url: str = REST_URL, clock: Clock) -> None:
        self._venue = venue
        self._settings = settings
        self._url = url.rstrip("/")
        self._clock = clock
        self._asking = anyio.Lock()
        self._asked_ns = -round(INTERVAL_S * SECOND_NS)

    async def read_trades(
        self, stream: Stream, start: int, end: int, from_id: int | None = None
    ) -> AsyncIterator[list[TradeTick]]:
        """Pages of trades with start <= ts_event <= end, none below from_id."""
        # One microsecond early, and cut by time below: whether `since` itself is included is not documented.
        since, last_number = max(0, start - 1_000), (from_id or 1) - 1
        while True:
            params = {"pair": stream.symbol, "since": since, "count": PAGE_ROWS}
            rows, last = self._read_page(await self._ask("Trades", params))
            page = [_make_trade(stream.name, row) for row in rows if row[6] > last_number]
            last_number = max([last_number, *(row[6] for row in rows)])
            wanted = [tick for tick in page if start <= tick.ts_event <= end]
            if wanted:
                yield wanted
            if len(rows) < PAGE_ROWS or rows[-1][2] * SECOND_NS > end or last <= since:
                return
            since = last

    async def load_newest(self, stream: Stream) -> Hashable:
        """What changes whenever the stream should say something: the last trade, the best prices, the checked book."""
        if stream.kind == "trade_tick":
            rows, _ = self._read_page(await self._ask("Trades", {"pair": stream.symbol, "count": 1}))
            return rows[-1][6] if rows else 0
        count = 1 if stream.kind == "quote_tick" else CHECKED_LEVELS
        result = await self._ask("Depth", {"pair": stream.symbol, "count": count})
        try:
            (raw,) = result.values()
            book = decode_frame(_DEPTH, raw)
        except (FeedDataError, ValueError) as error:
            raise VenueRequestFailed(self._venue, "Depth", 200, f"the answer cannot be read: {error}") from error
        return tuple(level[:2] for side in (book.bids, book.asks) for level in side[:count])

    def _read_page(self, result: dict[str, msgspec.Raw]) -> tuple[list[_Row], int]:
        try:
            last = decode_frame(_LAST, result.pop("last"))
            (raw,) = result.values()
            rows = decode_frame(_ROWS, raw)
            for row in rows:
                if row[3] not in _SIDES or not row[2].is_finite() or not 0 < row[2] < SECONDS_MAX:
                    raise FeedDataError(f"trade {row[6]} has side {row[3][:20]!r} and time {row[2]}")
        except (FeedDataError, KeyError, ValueError) as error:
            raise VenueRequestFailed(self._venue, "Trades", 200, f"the answer cannot be read: {error}") from error
        return sorted(rows, key=_row_number), last

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, msgspec.Raw]:
        """The result of a public question, asked again after a refusal for too many, a fault of the server, silence."""
        reason, status, wait_s = "", 0, 0.0
        for attempt in range(TRIES_MAX):
            await anyio.sleep(wait_s)
            async with self._asking:
                await self._wait_for_turn()
                try:
                    answer = await load_http(
                        f"{self._url}/0/public/{method}?{urlencode(params)}",
                        timeout_s=self._settings.request_timeout_s,
                        bytes_max=self._settings.frame_bytes_max,
                    )
                except HttpFailed as failed:
                    if failed.advice:
                        raise VenueUntrusted(self._url, failed.reason, failed.advice) from failed
                    reason, status, wait_s = str(failed), 0, float(2**attempt)
                    continue
            status = answer.status
            if status in WAIT_STATUSES:
                wait_s = read_retry_after(answer.headers.get("retry-after"), RATE_LIMIT_S)
                reason = f"too many questions, wait {wait_s:g} s"
                if wait_s > RETRY_AFTER_MAX_S:
                    raise VenueRateLimited(self._venue, method, status, reason, wait_s)
            elif status in SERVER_ERRORS:
                reason, wait_s = "the server failed", float(2**attempt)
            else:
                said = self._read_answer(method, status, answer.body)
                if not said.error:
                    return said.result
                reason = "; ".join(said.error)
                if not any("Rate limit" in text or "Too many requests" in text for text in said.error):
                    break
                wait_s = RATE_LIMIT_S
        raise VenueRequestFailed(self._venue, method, status, reason)

    def _read_answer(self, method: str, status: int, body: bytes) -> _Answer:
        try:
            return decode_frame(_ANSWER, body)
        except FeedDataError as error:
            raise VenueRequestFailed(self._venue, method, status, f"the answer cannot be read: {error}") from error

    async def _wait_for_turn(self) -> None:
        due_ns = self._asked_ns + round(INTERVAL_S * SECOND_NS)
        await anyio.sleep(max(0.0, (due_ns - self._clock.monotonic_ns()) / SECOND_NS))
        self._asked_ns = self._clock.monotonic_ns()


def _make_trade(name: str, row: _Row) -> TradeTick:
    # The socket sends the same trade with microseconds; what REST knows beyond them would make it another event.
    ts = int(row[2] * 1_000_000) * 1_000
    return TradeTick(name, ts, ts, row[0], row[1], _SIDES[row[3]], str(row[6]))


def _row_number(row: _Row) -> int:
    return row[6]
