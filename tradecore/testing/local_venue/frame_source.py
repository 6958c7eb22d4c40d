"""FrameSource: a recorded log of Binance USD-M futures frames, played as a market.

Receives: a file of lines "receive time in ns, space, frame", plain or gzipped: bookTicker, trade, depth, a snapshot.
Gives:    prints, best prices and levels as recorded, each at its receive time shifted by one constant: the smallest
          that lets nothing be published before it happened (recorders' clocks are off, sometimes by seconds).
Never:    changes an id, a price, a size or an event time.    EXECUTION 11; VENUES 4.1.

Book changes up to the snapshot's update id are in the snapshot already and are left out; it stands from the start.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from math import gcd
from pathlib import Path
from typing import Any, Final

import msgspec

from tradecore.errors import LocalVenueError
from tradecore.testing.local_venue.venue_action import Level, PrintTrade, SetLevels, ShowQuote, VenueAction
from tradecore.testing.local_venue.venue_instrument import VenueInstrument, split_symbol

_BATCH: Final = 1_024
_MS: Final = 1_000_000
_KINDS: Final = ("trade", "bookTicker", "depthUpdate")


class _Frame(msgspec.Struct):
    """The fields of all four kinds of frame, under the venue's own letters."""

    e: str = "snapshot"
    E: int = 0
    T: int = 0
    s: str = ""
    t: int = 0
    p: str = ""
    q: str = ""
    m: bool = False
    u: int = 0
    b: str | list[tuple[str, str]] = ""
    B: str = ""
    a: str | list[tuple[str, str]] = ""
    A: str = ""
    lastUpdateId: int = 0  # noqa: N815  (the venue's word)
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []


class _Line(msgspec.Struct):
    data: _Frame | None = None


class _Recorded(msgspec.Struct, gc=False):
    received_ns: int
    frame: _Frame


class FrameSource:
    """A recorded file; read whole when it is made, some 300 bytes a frame. history_ns: how much of it is history.

    Raises: LocalVenueError for a file that cannot be read, naming file and line; when it has no trades.
    """

    def __init__(self, path: Path | str, *, history_ns: int = 0) -> None:
        self.path: Final = Path(path)
        recorded = list(_read_frames(self.path))
        symbols = {item.frame.s for item in recorded if item.frame.s}
        if len(symbols) != 1:
            raise LocalVenueError(
                f"{self.path} has frames of {len(symbols)} pairs ({', '.join(sorted(symbols)) or 'none'}); "
                "expected exactly one"
            )
        self.symbol: Final = symbols.pop()
        self._prices, self._sizes = _Texts("price"), _Texts("size")
        for item in recorded:
            self._survey(item.frame)
        instrument = VenueInstrument(*split_symbol(self.symbol), self._prices.increment, self._sizes.increment)
        self.instruments = (instrument,)
        self.recorded_quotes = frozenset((self.symbol,))
        # Rounded up to whole microseconds, so that what is sent in microseconds is no earlier either.
        shift_ns = max(max(item.frame.T, item.frame.E) * _MS - item.received_ns for item in recorded)
        self.shift_ns: Final = -(-shift_ns // 1_000) * 1_000
        self.actions: Final = list(self._make_actions(recorded))
        self.start_ns = self.actions[0].at_ns + history_ns
        self.settle_ns = max([a.at_ns - a.event_ns for a in self.actions if type(a) is PrintTrade], default=0)

    async def batches(self) -> AsyncIterator[list[VenueAction]]:
        """All of the recording, in the order in which it was received."""
        for place in range(0, len(self.actions), _BATCH):
            yield self.actions[place : place + _BATCH]

    def _survey(self, frame: _Frame) -> None:
        if frame.e == "trade":
            self._prices.see(frame.p)
            self._sizes.see(frame.q)
        elif frame.e == "bookTicker":
            for price, size in ((frame.b, frame.B), (frame.a, frame.A)):
                assert isinstance(price, str)
                self._prices.see(price)
                self._sizes.see(size)

    def _make_actions(self, recorded: list[_Recorded]) -> Iterator[VenueAction]:
        snapshot = next((item.frame for item in recorded if item.frame.e == "snapshot"), None)
        last_id, at_ns = 0, recorded[0].received_ns + self.shift_ns
        if snapshot is not None:
            last_id = snapshot.lastUpdateId
            sides = self._levels(snapshot.bids), self._levels(snapshot.asks)
            yield SetLevels(self.symbol, at_ns, at_ns, last_id, *sides, is_snapshot=True)
        for item in recorded:
            frame, event_ns = item.frame, item.frame.T * _MS
            at_ns = max(at_ns, item.received_ns + self.shift_ns)
            if frame.e == "trade":
                price, size = self._prices.count(frame.p), self._sizes.count(frame.q)
                yield PrintTrade(self.symbol, at_ns, event_ns, price, size, frame.m, frame.t)
            elif frame.e == "bookTicker":
                bid = self._prices.count(frame.b), self._sizes.count(frame.B)
                ask = self._prices.count(frame.a), self._sizes.count(frame.A)
                yield ShowQuote(self.symbol, at_ns, event_ns, *bid, *ask, frame.u)
            elif frame.e == "depthUpdate" and frame.u > last_id:
                last_id = frame.u
                yield SetLevels(self.symbol, at_ns, event_ns, last_id, self._levels(frame.b), self._levels(frame.a))

    def _levels(self, texts: Any) -> tuple[Level, ...]:
        price, size = self._prices.count, self._sizes.count
        return tuple([(price(level), size(amount)) for level, amount in texts])


class _Texts:
    """Learns the increment of numbers from their texts: "61800.20" and "61800.30" lie on 0.10."""

    def __init__(self, what: str) -> None:
        self._what, self._digits, self._step, self._seen = what, -1, 0, set[str]()

    def see(self, text: str) -> None:
        if text in self._seen:
            return
        self._seen.add(text)
        self._digits = len(text.partition(".")[2]) if self._digits < 0 else self._digits
        self._step = gcd(self._step, self._units(text))

    def count(self, text: Any) -> int:
        """Whole increments. Raises: LocalVenueError for a number off the grid that trades and best prices lie on."""
        count, rest = divmod(self._units(text), self._step)
        if rest:
            raise LocalVenueError(f"{self._what} {text} is no multiple of {self.increment}, which all others are")
        return count

    @property
    def increment(self) -> Decimal:
        return Decimal(self._step or 1).scaleb(-max(self._digits, 0))

    def _units(self, text: str) -> int:
        whole, _, digits = text.partition(".")
        if len(digits) != self._digits or not (whole + digits).isdecimal():
            raise LocalVenueError(f"{self._what} {text!r} has other digits than those before ({self._digits})")
        return int(whole + digits)


def _read_frames(path: Path) -> Iterator[_Recorded]:
    decode = msgspec.json.Decoder(_Frame).decode
    decode_wrapped = msgspec.json.Decoder(_Line).decode
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):  # noqa: B007  (used where reading fails)
                received, _, text = line.partition(b" ")
                frame = decode_wrapped(text).data or decode(text)
                if frame.e in _KINDS or frame.lastUpdateId:
                    yield _Recorded(int(received), frame)
    except (OSError, EOFError, zlib.error) as error:
        raise LocalVenueError(f"{path} cannot be read: {error}; expected a recorded frame log") from error
    except (ValueError, msgspec.DecodeError) as error:
        raise LocalVenueError(
            f"{path}, line {number}: {error}; expected a receive time in ns, a space and a frame"
        ) from error
    if not number:
        raise LocalVenueError(f"{path} is empty; expected a recorded frame log")
