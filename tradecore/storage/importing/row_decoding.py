"""Cells of a row to a checked event of the wanted kind.

Receives: cells (text, or numbers from Parquet), positions by role, the target series.
Gives:    Bar, TradeTick, QuoteTick or DepthSnapshot that has passed its `check()`.
Never:    repairs a value: what cannot be read is an InvalidEvent that names role, value and what was expected.
          Spec: 1.2; DESIGN 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.depth_snapshot import DepthSnapshot, Level
from tradecore.domain.event import CROSSED, FLAG_NAMES, IMPORTED, SIZE_UNKNOWN
from tradecore.domain.instant import MAX_NS, parse_ns
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import InvalidEvent
from tradecore.storage.importing.time_column import TimeColumn
from tradecore.storage.market_data_storage import MarketEvent, Series

Decode = Callable[[Sequence[Any]], MarketEvent]

_AGGRESSORS: Final = {
    "buy": Aggressor.BUYER, "b": Aggressor.BUYER, "buyer": Aggressor.BUYER, "bid": Aggressor.BUYER,
    "sell": Aggressor.SELLER, "s": Aggressor.SELLER, "seller": Aggressor.SELLER, "ask": Aggressor.SELLER,
    "": Aggressor.UNKNOWN, "unknown": Aggressor.UNKNOWN, "u": Aggressor.UNKNOWN, "none": Aggressor.UNKNOWN,
}  # fmt: skip
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}
_FLAG_BITS: Final = {name: bit for bit, name in FLAG_NAMES.items()}

ESCAPED_FIRST: Final = "=+-@'\t\r"
"""An id that begins with one of these is exported behind an apostrophe, because spreadsheets would run it."""


def make_decoder(
    series: Series, positions: Mapping[str, int], times: TimeColumn, *, stamp_is_start: bool, decimal: str = "."
) -> Decode:
    """A function from the cells of a row to an event of the series. It raises InvalidEvent for what cannot be taken.

    stamp_is_start: the time of a bar is its start, so that its end is one step later.
    """
    cells = _Cells(positions, times, decimal)
    if series.kind == "bar":
        bar_type = BarType.parse(series.name)
        return _BarDecoder(cells, bar_type, bar_type.step_ns if stamp_is_start else 0).decode
    decoders: dict[str, Callable[[_Cells, str, Sequence[Any]], MarketEvent]] = {
        "trade_tick": _decode_trade,
        "quote_tick": _decode_quote,
        "depth": _decode_depth,
    }
    decode = decoders[series.kind]

    def decode_row(row: Sequence[Any]) -> MarketEvent:
        return decode(cells, series.name, row)

    return decode_row


class _Cells:
    """Reads single cells by role."""

    __slots__ = ("_decimal", "positions", "times")

    def __init__(self, positions: Mapping[str, int], times: TimeColumn, decimal: str) -> None:
        self.positions, self.times, self._decimal = dict(positions), times, decimal

    def time(self, row: Sequence[Any]) -> int:
        cell = row[self.positions["time"]]
        beside = self.positions.get("time_of_day")
        return self.times.read(cell if beside is None else f"{str(cell).strip()} {str(row[beside]).strip()}")

    def received(self, row: Sequence[Any], ts_event: int) -> int:
        place = self.positions.get("received")
        if place is None:
            return ts_event
        cell = row[place]
        return cell if type(cell) is int else parse_ns(str(cell))

    def flags(self, row: Sequence[Any]) -> int | None:
        """Flags that the file carries, or None when it has no such column."""
        place = self.positions.get("flags")
        return None if place is None else parse_flags(row[place])

    def number(self, row: Sequence[Any], role: str) -> float:
        cell = row[self.positions[role]]
        if type(cell) is float:
            return cell
        text = str(cell).strip()
        if self._decimal == ",":
            if "." in text:
                raise InvalidEvent(f"{role} is {text!r}; with decimal ',' a point has no meaning here")
            text = text.replace(",", ".")
        try:
            if "_" in text:
                raise ValueError
            return float(text)
        except ValueError as error:
            hint = ', or decimal = ","' if "," in text else ""
            raise InvalidEvent(f"{role} is {text!r}; expected a number{hint}") from error

    def size(self, row: Sequence[Any], role: str) -> float | None:
        """A size, or None where the file has no such column."""
        return self.number(row, role) if role in self.positions else None

    def text(self, row: Sequence[Any], role: str) -> str | None:
        place = self.positions.get(role)
        return None if place is None or row[place] is None else str(row[place])

    def sequence(self, row: Sequence[Any]) -> int:
        text = (self.text(row, "sequence") or "0").strip()
        return _read_whole(text, "sequence")


class _BarDecoder:
    __slots__ = ("_bar_type", "_cells", "_shift_ns")

    def __init__(self, cells: _Cells, bar_type: BarType, shift_ns: int) -> None:
        self._cells, self._bar_type, self._shift_ns = cells, bar_type, shift_ns

    def decode(self, row: Sequence[Any]) -> Bar:
        cells = self._cells
        ts_event = cells.time(row) + self._shift_ns
        flags = cells.flags(row)
        volume = cells.size(row, "volume")
        if flags is None:
            flags = IMPORTED if volume is not None else IMPORTED | SIZE_UNKNOWN
        number = cells.number
        bar = Bar(
            self._bar_type, ts_event, cells.received(row, ts_event), number(row, "open"), number(row, "high"),
            number(row, "low"), number(row, "close"), 0.0 if volume is None else volume, flags,
        )  # fmt: skip
        bar.check()
        return bar


def _decode_trade(cells: _Cells, instrument: str, row: Sequence[Any]) -> TradeTick:
    ts_event = cells.time(row)
    flags = cells.flags(row)
    size = cells.size(row, "size")
    if flags is None:
        flags = IMPORTED if size is not None else IMPORTED | SIZE_UNKNOWN
    trade = TradeTick(
        instrument, ts_event, cells.received(row, ts_event), cells.number(row, "price"), 0.0 if size is None else size,
        _read_aggressor(cells, row), parse_trade_id(cells.text(row, "trade_id")), flags,
    )  # fmt: skip
    trade.check()
    return trade


def _decode_quote(cells: _Cells, instrument: str, row: Sequence[Any]) -> QuoteTick:
    ts_event = cells.time(row)
    bid, ask = cells.number(row, "bid_price"), cells.number(row, "ask_price")
    bid_size, ask_size = cells.size(row, "bid_size"), cells.size(row, "ask_size")
    flags = cells.flags(row)
    if bid_size is None or ask_size is None:
        bid_size = ask_size = 0.0
        flags = IMPORTED | SIZE_UNKNOWN if flags is None else flags
    if flags is None:
        flags = IMPORTED
    if bid > ask:
        flags |= CROSSED
    quote = QuoteTick(
        instrument, ts_event, cells.received(row, ts_event), bid, bid_size, ask, ask_size, cells.sequence(row), flags
    )
    quote.check()
    return quote


def _decode_depth(cells: _Cells, instrument: str, row: Sequence[Any]) -> DepthSnapshot:
    ts_event = cells.time(row)
    flags = cells.flags(row)
    bids, asks = (_read_levels(cells.text(row, role) or "", role) for role in ("bids", "asks"))
    flags = IMPORTED if flags is None else flags
    if bids and asks and bids[0][0] > asks[0][0]:
        flags |= CROSSED
    depth = DepthSnapshot(instrument, ts_event, cells.received(row, ts_event), bids, asks, cells.sequence(row), flags)
    depth.check()
    return depth


def parse_flags(cell: object) -> int:
    """Flags of an exported cell: names joined by |, or a number. Raises: InvalidEvent."""
    if type(cell) is int:
        return cell
    text = str(cell).strip()
    if text.isdecimal():
        return _read_whole(text, "flags")
    bits = 0
    for name in filter(None, text.split("|")):
        if name not in _FLAG_BITS:
            raise InvalidEvent(f"flag {name!r} is unknown; flags: {', '.join(_FLAG_BITS)}")
        bits |= _FLAG_BITS[name]
    return bits


def _read_whole(text: str, role: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > MAX_NS:
        raise InvalidEvent(f"{role} is {text!r}; expected a whole number from 0 to {MAX_NS}")
    return int(text)


def parse_trade_id(text: str | None) -> str | None:
    """Id of a cell; empty means none; an apostrophe before what a spreadsheet would run is taken off."""
    if not text:
        return None
    if text[0] == "'" and (len(text) == 1 or text[1] in ESCAPED_FIRST):
        return text[1:]
    return text


def _read_aggressor(cells: _Cells, row: Sequence[Any]) -> Aggressor:
    maker = cells.text(row, "buyer_is_maker")
    if maker is not None:
        return read_buyer_is_maker(maker)
    side = (cells.text(row, "aggressor") or "").strip().lower()
    if side not in _AGGRESSORS:
        raise InvalidEvent(f"aggressor is {side!r}; expected buy, sell or nothing")
    return _AGGRESSORS[side]


def read_buyer_is_maker(text: str) -> Aggressor:
    """The aggressor of a trade: where the buyer's order was resting, the seller took. Raises: InvalidEvent."""
    truth = _TRUTHS.get(text.strip().lower())
    if truth is None:
        raise InvalidEvent(f"buyer_is_maker is {text!r}; expected true or false")
    return Aggressor.SELLER if truth else Aggressor.BUYER


def _read_levels(text: str, role: str) -> tuple[Level, ...]:
    levels = []
    for part in filter(None, text.split(";")):
        price, colon, size = part.partition(":")
        try:
            if not colon:
                raise ValueError
            levels.append((float(price), float(size)))
        except ValueError as error:
            raise InvalidEvent(f"{role} has the level {part!r}; expected price:size") from error
    return tuple(levels)
