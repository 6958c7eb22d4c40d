"""Layout "day-ticks": ticks of one day as milliseconds since local midnight, the date standing in the file's name.

Receives: files such as aig_20131007_trade.zip; the zone of their midnight, which no name says.
Gives:    quotes with exchanges: one series per exchange (AIG.Q), the other side carried, crossed ones flagged;
          trades: one consolidated series (AIG.US), or one per exchange; currency quotes: EURUSD.FX without sizes.
Never:    drops a repeated row: real ticks repeat exactly. Never makes up a side that was never seen: such rows are left
          out and counted.    Source: shared data README; LEAN's tick files.    Spec: 2.1.

Prices with an exchange beside them are whole numbers, ten thousand to the unit. A trade's condition is a hexadecimal
set of flags; those below mean that its price is not one of the market at that moment. `conditions = "regular"` leaves
such trades out; otherwise they are kept. Both ways they are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from tradecore.domain.event import CROSSED, IMPORTED, SIZE_UNKNOWN
from tradecore.domain.instant import DAY_NS, to_ns
from tradecore.domain.instrument import Instrument, check_instrument_id
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick
from tradecore.domain.trading_session import find_zone
from tradecore.errors import ImportDataError, InvalidEvent, InvalidName
from tradecore.storage.importing.csv_layout import SAMPLE_ROWS
from tradecore.storage.importing.import_report import ColumnUse
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.importing.read_tally import NumberedEvent, ReadTally
from tradecore.storage.importing.text_lines import TextLines
from tradecore.storage.market_data_storage import MarketEvent

_NAMES: Final = (
    re.compile(r"^(?P<symbol>[a-z0-9]+)_(?P<date>\d{8})_(?P<kind>quote|trade)\.(?:zip|csv|csv\.gz)$", re.IGNORECASE),
    re.compile(
        r"^(?P<date>\d{8})_(?P<symbol>[a-z0-9]+)_(?:tick_)?(?P<kind>quote|trade)(?:_tick)?\.(?:zip|csv|csv\.gz)$",
        re.IGNORECASE,
    ),
)
_QUOTE_COLUMNS: Final = (
    "time",
    "bid_price",
    "bid_size",
    "ask_price",
    "ask_size",
    "exchange",
    "condition",
    "suspicious",
)
_TRADE_COLUMNS: Final = ("time", "price", "size", "exchange", "condition", "suspicious")
_CURRENCY_COLUMNS: Final = ("time", "bid_price", "ask_price")

PRICE_SCALE: Final = 10_000
_MS_NS: Final = 1_000_000

# Bits of a trade's condition that LEAN's enumeration of sale conditions gives to: cash, next-day and seller's-option
# settlement (1, 2, 3), derivatively priced (9), sold late (11), out of sequence (14), acquisition (16), bunched (17),
# stock-option (18), distribution (19), average price (20), price variation (22), official close (24), prior reference
# price (25), official open (26). Sweeps, extended hours, opening and closing prints are trades like others.
_IRREGULAR_BITS: Final = (1, 2, 3, 9, 11, 14, 16, 17, 18, 19, 20, 22, 24, 25, 26)
IRREGULAR_CONDITIONS: Final = sum(1 << bit for bit in _IRREGULAR_BITS)

LEFT_NEVER_SEEN: Final = "the other side of the exchange's quote was never seen"
LEFT_SUSPICIOUS: Final = "the source marks it suspicious"
LEFT_IRREGULAR: Final = "its condition says that the price is not of this moment"

_Decode = Callable[[list[str], ReadTally], "MarketEvent | None"]


def is_day_tick_name(path: Path) -> bool:
    """True for a name that carries a symbol, a date and quote or trade."""
    return _match_name(path) is not None


def _match_name(path: Path) -> re.Match[str] | None:
    return next((match for name in _NAMES if (match := name.match(path.name))), None)


class DayTickReader:
    """Ticks of one day. See FileReader for what its attributes mean."""

    layout = "day-ticks"
    row_word = "line"

    def __init__(self, path: Path, settings: ImportSettings, instruments: Mapping[str, Instrument]) -> None:
        match = _match_name(path)
        if match is None:
            raise ImportDataError(
                str(path), ["has no name that carries symbol, date and kind, such as aig_20131007_trade.zip"]
            )
        self.path = str(path)
        self._settings = settings
        self._lines = TextLines(path)
        self._symbol = match["symbol"].upper()
        self._is_quote = match["kind"].lower() == "quote"
        self.kind: str | None = "quote_tick" if self._is_quote else "trade_tick"
        self.order_key: tuple[str, ...] = (self.kind, self._symbol, match["date"])
        self.unused: tuple[str, ...] = ()
        missing: list[str] = settings.list_refused(
            self.layout, self.kind, bar_type=None, time_form=None, stamp=None, session=None
        )
        self.sample = self._read_sample()
        self._names = self._settle_columns(missing)
        roles = enumerate(self._names)
        self.columns = tuple(ColumnUse(role, f"column {place + 1}", place + 1) for place, role in roles)
        self._has_exchange = "exchange" in self._names
        self._by_exchange = self._has_exchange and (self._is_quote or bool(settings.by_exchange))
        self._instrument = self._settle_instrument(missing)
        self.series_text: str | None = f"{self.kind} {self._instrument}{'<exchange>' if self._by_exchange else ''}"
        self._midnight_ns = self._settle_midnight(match["date"], missing)
        zone = settings.timezone or "?"
        self.time_text = f"milliseconds since midnight of {match['date']} in {zone}"
        self.missing = tuple(missing)
        self.notes: tuple[str, ...] = ()
        if self._has_exchange and not self._is_quote:
            where = "a series of their own" if self._by_exchange else f"one consolidated series, {self._instrument}"
            self.notes = (f"trades of each exchange go into {where}",)

    @property
    def fraction_read(self) -> float:
        """Share of the file's bytes that the present pass has taken."""
        return self._lines.fraction_read

    def read(self, tally: ReadTally) -> Generator[NumberedEvent, None, None]:
        """Events in the order of the file; what cannot be taken goes to the tally with its line."""
        if not self._is_quote:
            decode: _Decode = self._decode_trade
        else:
            decode = _ExchangeQuotes(self._instrument, self._read_time, self._drops).decode
            if not self._has_exchange:
                decode = self._decode_currency_quote
        width = len(self._names)
        with self._lines.open() as text:
            for line, content in enumerate(text, 1):
                row = content.rstrip("\r\n").split(",")
                if row == [""]:
                    continue
                tally.rows += 1
                try:
                    if len(row) != width:
                        raise InvalidEvent(f"has {len(row)} columns; expected {width}: {', '.join(self._names)}")
                    if "_" in content or not content.isascii():
                        raise InvalidEvent("holds characters that belong to no number; expected digits")
                    event = decode(row, tally)
                    if event is None:
                        continue
                except (InvalidEvent, InvalidName) as fault:
                    tally.add_problem(line, str(fault))
                except (ValueError, OverflowError) as error:
                    tally.add_problem(line, f"holds what is no number ({error}); expected {', '.join(self._names)}")
                else:
                    yield line, event

    # ------------------------------------------------------------------------------------------------- rows

    def _read_time(self, text: str) -> int:
        offset_ns = int(text) * _MS_NS
        if not 0 <= offset_ns <= DAY_NS:
            raise InvalidEvent(f"time {text} lies outside the day; expected 0 to 86400000 ms since midnight")
        return self._midnight_ns + offset_ns

    def _drops(self, suspicious: str, tally: ReadTally) -> bool:
        if suspicious == "0":
            return False
        if suspicious != "1":
            raise InvalidEvent(f"suspicious is {suspicious!r}; expected 0 or 1")
        if self._settings.suspicious == "drop":
            tally.left_out[LEFT_SUSPICIOUS] += 1
            return True
        tally.seen["rows that the source marks suspicious are kept"] += 1
        return False

    def _decode_trade(self, row: list[str], tally: ReadTally) -> TradeTick | None:
        at, price, size, exchange, condition, suspicious = row
        if self._drops(suspicious, tally):
            return None
        if int(condition or "0", 16) & IRREGULAR_CONDITIONS:
            if self._settings.conditions == "regular":
                tally.left_out[LEFT_IRREGULAR] += 1
                return None
            tally.seen["trades whose condition says that the price is not of this moment are kept"] += 1
        instrument = self._instrument + exchange if self._by_exchange else self._instrument
        at_ns = self._read_time(at)
        trade = TradeTick(instrument, at_ns, at_ns, int(price) / PRICE_SCALE, float(size), flags=IMPORTED)
        trade.check()
        return trade

    def _decode_currency_quote(self, row: list[str], tally: ReadTally) -> QuoteTick:
        at, bid_text, ask_text = row
        at_ns, bid, ask = self._read_time(at), float(bid_text), float(ask_text)
        flags = IMPORTED | SIZE_UNKNOWN
        if bid > ask:
            flags |= CROSSED
            tally.seen["quotes have the bid above the ask; kept and flagged CROSSED"] += 1
        quote = QuoteTick(self._instrument, at_ns, at_ns, bid, 0.0, ask, 0.0, 0, flags)
        quote.check()
        return quote

    # ------------------------------------------------------------------------------------------------ set-up

    def _settle_columns(self, missing: list[str]) -> tuple[str, ...]:
        width = len(self.sample[0]) if self.sample else 0
        kinds = (_QUOTE_COLUMNS, _CURRENCY_COLUMNS) if self._is_quote else (_TRADE_COLUMNS,)
        for names in kinds:
            if len(names) == width:
                return names
        if not self.sample:
            missing.append("has no rows; there is nothing to import")
        else:
            listed = " or ".join(f"{len(names)} ({', '.join(names)})" for names in kinds)
            missing.append(f"has {width} columns; expected {listed}")
        return ()

    def _settle_instrument(self, missing: list[str]) -> str:
        settings = self._settings
        if self._by_exchange:
            if settings.by_exchange is False:
                missing.append("each row is one side of one exchange's quote; by_exchange cannot be off")
            if settings.instrument is not None:
                missing.append(
                    f"instrument is {settings.instrument!r}, but each exchange is an instrument here "
                    f"({self._symbol}.Q ...); leave instrument out"
                )
            return f"{self._symbol}."
        return settings.instrument or f"{self._symbol}.{'US' if self._has_exchange else 'FX'}"

    def _settle_midnight(self, day_text: str, missing: list[str]) -> int:
        if self._settings.timezone is None:
            missing.append(
                "times are milliseconds since midnight, and nothing says where; say it: timezone = "
                '"America/New_York" for US stocks, "UTC" for currencies (--timezone)'
            )
            return 0
        try:
            day = date(int(day_text[:4]), int(day_text[4:6]), int(day_text[6:]))
        except ValueError:
            missing.append(f"the date {day_text} in its name is in no calendar")
            return 0
        zone = find_zone(self._settings.timezone)
        midnight, following = (
            to_ns(datetime.combine(at, time(0), zone).astimezone(UTC)) for at in (day, day + timedelta(days=1))
        )
        if following - midnight != DAY_NS:
            missing.append(
                f"the clocks change on {day} in {self._settings.timezone}, so that milliseconds since midnight "
                "have two meanings; convert the file to UTC"
            )
        return midnight

    def _read_sample(self) -> tuple[tuple[str, ...], ...]:
        with self._lines.open() as text:
            rows = [line.rstrip("\r\n").split(",") for line in islice(text, SAMPLE_ROWS)]
        return tuple(tuple(row) for row in rows if row != [""])


class _ExchangeQuotes:
    """The standing quote of each exchange; every row changes one side of one of them.

    What it gives has passed everything that `QuoteTick.check` looks at.
    """

    def __init__(self, prefix: str, read_time: Callable[[str], int], drops: Callable[[str, ReadTally], bool]) -> None:
        self._prefix, self._read_time, self._drops = prefix, read_time, drops
        self._instruments: dict[str, str] = {}
        self._bids: dict[str, tuple[float, float]] = {}
        self._asks: dict[str, tuple[float, float]] = {}

    def decode(self, row: list[str], tally: ReadTally) -> QuoteTick | None:
        """The exchange's quote after this row, or None while one of its sides was never seen."""
        at, bid_text, bid_size, ask_text, ask_size, exchange, _, suspicious = row
        if suspicious != "0" and self._drops(suspicious, tally):
            return None
        instrument = self._instruments.get(exchange)
        if instrument is None:
            instrument = self._instruments[exchange] = check_instrument_id(self._prefix + exchange)
        bid = _read_side(bid_text, bid_size, "bid")
        ask = _read_side(ask_text, ask_size, "ask")
        at_ns = self._read_time(at)
        if bid is None and ask is None:
            raise InvalidEvent("changes neither bid nor ask; expected a price above 0 on one side")
        if bid is None:
            bid = self._bids.get(exchange)
        else:
            self._bids[exchange] = bid
        if ask is None:
            ask = self._asks.get(exchange)
        else:
            self._asks[exchange] = ask
        if bid is None or ask is None:
            tally.left_out[LEFT_NEVER_SEEN] += 1
            return None
        flags = IMPORTED
        if bid[0] > ask[0]:
            flags |= CROSSED
            tally.seen["quotes have the bid above the ask; kept and flagged CROSSED"] += 1
        # What `check()` asks holds by construction, a million times: finite quotients of whole numbers of at least 0, a
        # time within the day, the flag where it is due.
        return QuoteTick(instrument, at_ns, at_ns, *bid, *ask, 0, flags)


def _read_side(price_text: str, size_text: str, side: str) -> tuple[float, float] | None:
    """Price and size of a side, or None where the row leaves it unchanged."""
    if price_text == "0":
        return None
    price, size = int(price_text), int(size_text)
    if price < 0 or size < 0:
        raise InvalidEvent(f"{side} is {price_text} for {size_text}; expected numbers of at least 0")
    return price / PRICE_SCALE, float(size)
