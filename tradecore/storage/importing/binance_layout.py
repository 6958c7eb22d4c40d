"""Layout "binance": files of the Binance public archive: klines, trades and aggTrades, zipped or unpacked.

Receives: files with the archive's names, such as BTCUSDT-1m-2024-01.zip or BTCUSDT-trades-2025-01-02.csv.
Gives:    bars stamped at their end (open_time + step), trades with the venue's ids; ids of aggregated trades get the
          prefix "a", because they count apart from those of single trades.
Never:    takes mark, index or premium klines for prices of trades; never mixes units of time within a file.
          Source: README of binance-public-data: times are ms, from 2025-01-01 us for spot.    Spec: 2.1.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.event import IMPORTED
from tradecore.domain.instrument import Instrument
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import ImportDataError, InvalidEvent
from tradecore.storage.importing.csv_layout import SAMPLE_ROWS
from tradecore.storage.importing.import_report import ColumnUse
from tradecore.storage.importing.import_settings import EPOCH_UNITS, ImportSettings
from tradecore.storage.importing.read_tally import NumberedEvent, ReadTally
from tradecore.storage.importing.row_decoding import read_buyer_is_maker
from tradecore.storage.importing.text_lines import TextLines
from tradecore.storage.importing.time_column import recognise_time_form
from tradecore.storage.market_data_storage import MarketEvent, Series

_NAME: Final = re.compile(
    r"^(?P<symbol>[A-Z0-9_]+)-(?P<what>aggTrades|trades|\d+(?:s|m|h|d|w|mo))-(?P<date>\d{4}-\d{2}(?:-\d{2})?)"
    r"\.(?:zip|csv|csv\.gz)$"
)
_OTHER_KLINES: Final = ("markPriceKlines", "indexPriceKlines", "premiumIndexKlines")

_KLINE_COLUMNS: Final = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count", "taker_buy_volume",
    "taker_buy_quote_volume", "ignore",
)  # fmt: skip
_TRADE_COLUMNS: Final = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match")
_AGGREGATE_COLUMNS: Final = (
    "agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", "is_buyer_maker",
    "is_best_match",
)  # fmt: skip

Decode = Callable[[Sequence[str], int], MarketEvent]


def is_binance_name(path: Path) -> bool:
    """True for the name of a file of the archive."""
    return _NAME.match(path.name) is not None


class BinanceReader:
    """One file of the archive. See FileReader for what its attributes mean."""

    layout = "binance"
    row_word = "line"

    def __init__(self, path: Path, settings: ImportSettings, instruments: Mapping[str, Instrument]) -> None:
        match = _NAME.match(path.name)
        if match is None:
            raise ImportDataError(
                str(path), ["has no name of the Binance archive, such as BTCUSDT-1m-2024-01.zip; keep the names"]
            )
        self.path = str(path)
        self._file = path
        self._lines = TextLines(path)
        self._what = match["what"]
        self.kind: str | None = "trade_tick" if self._what in ("trades", "aggTrades") else "bar"
        missing: list[str] = self._check_place()
        missing += settings.list_refused(self.layout, self.kind, timezone="UTC", stamp="start", time_form=None)
        self._series = self._settle_series(match["symbol"], settings, missing)
        self.series_text = str(self._series) if self._series else None
        # By series, then by time: the dates in the names sort as text.
        self.order_key: tuple[str, ...] = (self.series_text or "", match["date"], path.name)
        names = {"trades": _TRADE_COLUMNS, "aggTrades": _AGGREGATE_COLUMNS}.get(self._what, _KLINE_COLUMNS)
        self.sample = self._read_sample()
        width = len(self.sample[0]) if self.sample else 0
        if self.sample and width not in (len(names), len(names) - 1 if self.kind == "trade_tick" else len(names)):
            missing.append(f"has {width} columns; the archive's {self._what} has {len(names)}: {', '.join(names)}")
        self.columns = tuple(ColumnUse(role, names[place], place + 1) for role, place in self._roles().items())
        used = {column.name for column in self.columns}
        self.unused = tuple(name for name in names[:width] if name not in used)
        self._width = width
        self._unit = self._recognise_unit(missing)
        self.time_text = f"numbers in {self._unit} since 1970 UTC" if self._unit else ""
        if self.kind == "bar" and self._unit:
            self.time_text += ", marking the start of each bar"
        self.missing = tuple(missing)
        self.notes = self._list_notes()

    @property
    def fraction_read(self) -> float:
        """Share of the file's bytes that the present pass has taken."""
        return self._lines.fraction_read

    def read(self, tally: ReadTally) -> Generator[NumberedEvent, None, None]:
        """Events in the order of the file; what cannot be taken goes to the tally with its line."""
        self._check_digest()
        decode = self._make_decoder()
        time_place = self._roles()["time"]
        with self._lines.open() as text:
            rows = csv.reader(text)
            for row in rows:
                if not row or (rows.line_num == 1 and not row[0].strip().isdecimal()):
                    continue
                tally.rows += 1
                try:
                    if len(row) != self._width:
                        raise InvalidEvent(f"has {len(row)} columns; expected {self._width} as in the first row")
                    event = decode(row, self._read_time(row[time_place]))
                    event.check()
                except InvalidEvent as fault:
                    tally.add_problem(rows.line_num, str(fault))
                else:
                    yield rows.line_num, event

    def _roles(self) -> dict[str, int]:
        if self.kind == "bar":
            return {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "close_time": 6}
        place = 4 if self._what == "trades" else 5
        return {"trade_id": 0, "price": 1, "size": 2, "time": place, "buyer_is_maker": place + 1}

    def _make_decoder(self) -> Decode:
        assert self._series is not None, "asked to read while the series is missing"
        if self.kind == "bar":
            return self._make_bar_decoder(BarType.parse(self._series.name))
        place = self._roles()["buyer_is_maker"]
        previous_id = -1
        instrument, prefix = self._series.name, "a" if self._what == "aggTrades" else ""

        def decode_trade(row: Sequence[str], at_ns: int) -> TradeTick:
            nonlocal previous_id
            trade_id = row[0].strip()
            # The archive numbers upward, so that ids which fall or stand still show a damaged or doubled file.
            if not trade_id.isdecimal() or int(trade_id) <= previous_id:
                raise InvalidEvent(f"id is {trade_id!r}; expected a number above {previous_id}, the one before")
            previous_id = int(trade_id)
            aggressor = read_buyer_is_maker(row[place])
            return TradeTick(
                instrument, at_ns, at_ns, _number(row[1], "price"), _number(row[2], "quantity"), aggressor,
                prefix + trade_id, IMPORTED,
            )  # fmt: skip

        return decode_trade

    def _make_bar_decoder(self, bar_type: BarType) -> Decode:
        step_ns, unit_ns = bar_type.step_ns, EPOCH_UNITS[self._unit]

        def decode_bar(row: Sequence[str], start_ns: int) -> Bar:
            end_ns = start_ns + step_ns
            close_ns = self._read_time(row[6])
            if close_ns != end_ns - unit_ns:
                raise InvalidEvent(
                    f"close_time {row[6]} is not open_time + {bar_type.count}{bar_type.unit} - 1; "
                    "the row is of another interval, or damaged"
                )
            return Bar(
                bar_type, end_ns, end_ns, _number(row[1], "open"), _number(row[2], "high"), _number(row[3], "low"),
                _number(row[4], "close"), _number(row[5], "volume"), IMPORTED,
            )  # fmt: skip

        return decode_bar

    def _read_time(self, cell: str) -> int:
        text = cell.strip()
        # 13 digits are ms, 16 are us, until the year 2286: a row of the other unit is a fault of the file.
        if not text.isdecimal() or len(text) != (13 if self._unit == "ms" else 16):
            raise InvalidEvent(f"time is {text!r}; expected a number in {self._unit}, as in the first row")
        return int(text) * EPOCH_UNITS[self._unit]

    def _settle_series(self, symbol: str, settings: ImportSettings, missing: list[str]) -> Series | None:
        instrument = settings.instrument or f"{symbol}.{settings.venue}"
        if self.kind == "trade_tick":
            if settings.bar_type is not None:
                missing.append(f"bar_type is {settings.bar_type!r}, but the file's name says trades; leave it out")
            return Series("trade_tick", instrument)
        if self._what.endswith("mo"):
            missing.append("bars of months have no fixed length and cannot be a bar type; import 1d and aggregate them")
            return None
        if settings.bar_type is None:
            return Series("bar", BarType(instrument, self._what).name)
        bar_type = BarType.parse(settings.bar_type)
        if f"{bar_type.count}{bar_type.unit}" != self._what or bar_type.price != "last":
            missing.append(f"bar_type is {settings.bar_type!r}, but the file's name says {self._what} of last prices")
        return Series("bar", bar_type.name)

    def _recognise_unit(self, missing: list[str]) -> str:
        if not self.sample:
            missing.append("has no rows; there is nothing to import")
            return ""
        if missing:
            return ""
        cell = self.sample[0][self._roles()["time"]]
        try:
            unit = recognise_time_form(cell)
        except InvalidEvent as error:
            missing.append(str(error))
            return ""
        if unit not in ("ms", "us"):
            missing.append(f"time {cell!r} is neither in ms nor in us, as the archive has them")
            return ""
        return unit

    def _check_place(self) -> list[str]:
        for part in self._file.parts:
            if part in _OTHER_KLINES:
                return [f"lies in a folder {part}: these are not prices of trades and would be stored as such"]
        return []

    def _read_sample(self) -> tuple[tuple[str, ...], ...]:
        with self._lines.open() as text:
            rows = [row for row in csv.reader(islice(text, SAMPLE_ROWS + 1)) if row]
        if rows and not rows[0][0].strip().isdecimal():
            rows = rows[1:]
        return tuple(tuple(row) for row in rows[:SAMPLE_ROWS])

    def _list_notes(self) -> tuple[str, ...]:
        if self._what == "aggTrades":
            return ("aggregated trades: importing single trades of the same instrument too would count volume twice",)
        return ()

    def _check_digest(self) -> None:
        """The archive puts a SHA-256 beside each file; where it is there, it must be right."""
        beside = self._file.with_name(self._file.name + ".CHECKSUM")
        if not beside.is_file():
            return
        expected = beside.read_text("utf-8").split()[:1]
        with self._file.open("rb") as raw:
            met = hashlib.file_digest(raw, "sha256").hexdigest()
        if expected != [met]:
            raise ImportDataError(
                self.path, [f"its SHA-256 is {met}, and {beside.name} says {''.join(expected)}; fetch it again"]
            )


def _number(text: str, name: str) -> float:
    try:
        if "_" in text:
            raise ValueError
        return float(text)
    except ValueError as error:
        raise InvalidEvent(f"{name} is {text!r}; expected a number") from error
