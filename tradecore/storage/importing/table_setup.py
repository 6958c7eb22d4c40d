"""TableSetup: everything that must be settled before the rows of a table are read, and what is still missing.

Receives: column names (or none), first rows, the user's settings, known instruments.
Gives:    mapping, target series, time column, whether stamps are starts; sentences that say what to type for the rest.
Never:    fills a gap with a likely value.    Spec: 2.1; DESIGN 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tradecore.domain.bar_type import BarType
from tradecore.domain.instrument import Instrument
from tradecore.domain.trading_session import parse_session
from tradecore.errors import InvalidTime
from tradecore.storage.importing.column_mapping import ColumnMapping, map_columns, map_positions
from tradecore.storage.importing.import_report import ColumnUse
from tradecore.storage.importing.import_settings import EPOCH_UNITS, ImportSettings
from tradecore.storage.importing.row_decoding import Decode, make_decoder
from tradecore.storage.importing.time_column import TimeColumn, recognise_time_form
from tradecore.storage.market_data_storage import Series

_COLUMNS_SHOWN: Final = 200
"""Characters of the columns' names in a message: a file that is no table may have its first line taken for them."""


class TableSetup:
    """The settled reading of one table. `missing` is empty when rows can be decoded."""

    def __init__(
        self,
        names: Sequence[str] | None,
        first_rows: Sequence[Sequence[Any]],
        settings: ImportSettings,
        instruments: Mapping[str, Instrument],
    ) -> None:
        self.missing: list[str] = []
        self.notes: list[str] = []
        self._names = tuple(names) if names is not None else ()
        self._first_rows = first_rows
        self._settings = settings
        self._lacks_zone = False
        kind = "bar" if settings.bar_type is not None else settings.kind
        width = len(names) if names is not None else len(first_rows[0]) if first_rows else 0
        self.mapping: ColumnMapping = (
            map_columns(self._names, kind, settings.columns)
            if names is not None
            else map_positions([str(cell) for cell in first_rows[0]] if first_rows else [], kind, settings.columns)
        )
        self.missing.extend(self.mapping.faults)
        self.kind = self.mapping.kind
        self.columns = tuple(
            ColumnUse(role, self._names[place] if self._names else f"column {place + 1}", place + 1)
            for role, place in self.mapping.positions.items()
        )
        used = set(self.mapping.positions.values())
        self.unused = tuple(
            self._names[place] if self._names else f"column {place + 1}" for place in range(width) if place not in used
        )
        self.series = self._settle_series()
        self._check_roles(width)
        self.times = self._settle_time(instruments)
        self.stamp_is_start = self._settle_stamp()

    def make_decoder(self) -> Decode:
        """Decoder of the rows, for one pass. Only when nothing is missing."""
        assert self.series is not None, "asked to decode while the series is missing"
        assert self.times is not None, "asked to decode while the time column is missing"
        self.times.restart()
        return make_decoder(
            self.series,
            self.mapping.positions,
            self.times,
            stamp_is_start=self.stamp_is_start,
            decimal=self._settings.decimal,
        )

    def describe_time(self) -> str:
        """How the time column is read, in words; empty while that is unknown."""
        if self.times is None:
            return ""
        text = self.times.describe()
        if self._lacks_zone:
            text = f"{self.times.form} times without a zone"
        is_stamped = self._settings.stamp or self.mapping.stamp
        if self.kind == "bar" and is_stamped and not self.times.is_date_only:
            text += ", marking the start of each bar" if self.stamp_is_start else ", marking the end of each bar"
        return text

    def _settle_series(self) -> Series | None:
        settings = self._settings
        if self.kind is None:
            self.missing.append(
                f"nothing says what the rows are (columns: {self._list_columns()}); say it: kind = "
                '"bar", "trade_tick" or "quote_tick" (--kind bar), and map the columns'
            )
            return None
        if self.kind == "bar":
            if settings.bar_type is None:
                self.missing.append(
                    "nothing says which bars these are; say it: bar_type = "
                    '"INSTRUMENT STEP PRICE" (--bar-type "GBPUSD.FX 1m bid")'
                )
                return None
            return Series("bar", BarType.parse(settings.bar_type).name)
        if settings.instrument is None:
            self.missing.append(
                "nothing says which instrument this is; say it: instrument = "
                '"SYMBOL.VENUE" (--instrument BTCUSDT.BINANCE)'
            )
            return None
        return Series(self.kind, settings.instrument)

    def _check_roles(self, width: int) -> None:
        for role in self.mapping.missing_roles:
            self.missing.append(
                f"no column for {role} was found among {self._list_columns() or width}; say which: "
                f'columns = {{"{role}": "NAME"}} or a position from 1 (--column {role}=NAME)'
            )

    def _settle_time(self, instruments: Mapping[str, Instrument]) -> TimeColumn | None:
        place = self.mapping.positions.get("time")
        if place is None or self.kind is None or not self._first_rows or place >= len(self._first_rows[0]):
            return None
        settings = self._settings
        sample = self._sample_time()
        try:
            form = settings.time_form or recognise_time_form(sample)
        except InvalidTime as error:
            self.missing.append(f"{error} (--time-form)")
            return None
        if form in EPOCH_UNITS and settings.timezone not in (None, "UTC"):
            self.missing.append(
                f"times are numbers since 1970, which are UTC, but timezone is {settings.timezone!r}; leave it out"
            )
        session_text = settings.session
        if session_text is None and self.series is not None and self.series.instrument in instruments:
            session_text = instruments[self.series.instrument].session
        session = parse_session(session_text) if session_text is not None else None
        times = TimeColumn(form, settings.timezone, session, carried_zone=self.mapping.zone)
        self._lacks_zone = times.needs_zone(sample)
        if self._lacks_zone:
            self.missing.append(
                f"times such as {sample!r} name no time zone; say which: timezone = "
                '"UTC" (--timezone UTC) or a place such as "America/New_York"'
            )
        if times.is_date_only:
            self._check_days(session_text)
        return times

    def _check_days(self, session_text: str | None) -> None:
        if self.kind != "bar":
            self.missing.append(f"rows hold days only; a {self.kind} needs a time of day")
            return
        if self.series is None:
            return
        bar_type = BarType.parse(self.series.name)
        if (bar_type.count, bar_type.unit) != (1, "d"):
            self.missing.append(f"rows hold days only, which end bars of 1d; {bar_type} needs full times")
        elif session_text is None:
            self.missing.append(
                f"rows hold days only, and {bar_type.instrument} is not defined; say when its day ends: session = "
                '"09:30-16:00 America/New_York", "24x7" or "fx" (--session)'
            )
        if self._settings.stamp is not None:
            self.notes.append("rows hold days only and end at the session's close; stamp is not used")

    def _settle_stamp(self) -> bool:
        if self.kind != "bar" or (self.times is not None and self.times.is_date_only):
            return False
        stamp = self._settings.stamp or self.mapping.stamp
        if stamp is None:
            self.missing.append(
                "nothing says whether the time of a bar is its start or its end; say which: stamp = "
                '"start" or "end" (--stamp start)'
            )
            return False
        if self._settings.stamp is None:
            self.notes.append(f"the name of the time column says that it is the {stamp} of each bar")
        is_start = stamp == "start"
        if is_start and self.series is not None and not BarType.parse(self.series.name).is_time_based:
            self.missing.append("bars of a number of ticks have no length, so their stamp must be the end: stamp = end")
        return is_start

    def _sample_time(self) -> str:
        row = self._first_rows[0]
        sample = str(row[self.mapping.positions["time"]]).strip()
        beside = self.mapping.positions.get("time_of_day")
        return sample if beside is None else f"{sample} {str(row[beside]).strip()}"

    def _list_columns(self) -> str:
        if self._names:
            listed = ", ".join(self._names)
            return listed if len(listed) <= _COLUMNS_SHOWN else f"{listed[:_COLUMNS_SHOWN]}..."
        return f"{len(self._first_rows[0])} columns without names" if self._first_rows else ""
