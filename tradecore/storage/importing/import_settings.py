"""ImportSettings: what the user says about a file, and what is never guessed.

Receives: options of `data import` or keyword arguments of an embedding program.
Gives:    one frozen value, checked for words that cannot be meant.
Never:    holds a default for the time zone or for what a bar's stamp marks: both must be given or be in the data.
          Spec: 2.1; DESIGN 4.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tradecore.domain.bar_type import BarType
from tradecore.domain.instrument import check_instrument_id
from tradecore.domain.trading_session import find_zone, parse_session
from tradecore.errors import ImportSettingsError, InvalidName

LAYOUTS: Final = ("csv", "parquet", "binance", "day-ticks", "binance-frames")
KINDS: Final = ("bar", "trade_tick", "quote_tick", "depth")
STAMPS: Final = ("start", "end")
EPOCH_UNITS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
TIME_FORMS: Final = ("iso", "date", *EPOCH_UNITS)

NOT_MAPPED: Final = "-"
"""As a column, it says that the role has none, whatever the header looks like."""


class ImportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says about the files. None always means: not said.

    layout: "csv", "parquet", "binance", "day-ticks" or "binance-frames"; else recognised by name and suffix.
    kind: "bar", "trade_tick", "quote_tick" or "depth"; else told by bar_type or by the columns.
    bar_type: target series of bars, "GBPUSD.FX 1m bid". instrument: target of ticks, "BTCUSDT.BINANCE".
    timezone: IANA zone of times that name none. stamp: whether a bar's time is its "start" or its "end".
    time_form: "iso", "date", "s", "ms", "us", "ns", or a strptime pattern; else recognised from the first row.
    columns: role to header name, or to position counted from 1; "-" for none. has_header, delimiter, decimal,
    rows_skipped: of text files. session: trading hours that end date-only rows, if the instrument is not defined.
    venue: of Binance archives and frames. depth_levels: of a side, in the snapshots made of recorded frames.
    by_exchange: of day ticks with exchanges, a series for each (quotes always).
    conditions: "all" or "regular" trades; suspicious: "keep" or "drop" rows the source marks (day ticks).
    sort: order rows by time, in memory. drop_duplicates: leave out rows that repeat a bar or an id identically.
    """

    layout: str | None = None
    kind: str | None = None
    bar_type: str | None = None
    instrument: str | None = None
    timezone: str | None = None
    stamp: str | None = None
    time_form: str | None = None
    columns: dict[str, str | int] = msgspec.field(default_factory=dict)
    has_header: bool | None = None
    delimiter: str | None = None
    decimal: str = "."
    rows_skipped: int = 0
    session: str | None = None
    venue: str = "BINANCE"
    depth_levels: int = 20
    by_exchange: bool | None = None
    conditions: str = "all"
    suspicious: str = "keep"
    sort: bool = False
    drop_duplicates: bool = False

    def check(self) -> None:
        """Every word is one that can be meant. Raises: ImportSettingsError naming all that cannot."""
        mistakes = [*self._word_mistakes(), *self._name_mistakes()]
        if mistakes:
            raise ImportSettingsError(mistakes)

    def list_refused(self, layout: str, kind: str | None, **fixed: str | None) -> list[str]:
        """What was said about a layout whose columns and times are fixed, and cannot hold; in sentences.

        fixed: names of settings with the only value that fits beside None; None where none does.
        """
        refused = []
        if self.columns:
            refused.append(f"columns are given, but the layout {layout} fixes them; leave them out, or layout = csv")
        if kind is not None and self.kind not in (None, kind):
            refused.append(f"kind is {self.kind!r}, but the file's name says {kind}")
        for name, only in fixed.items():
            value = getattr(self, name)
            if value not in (None, only):
                what = f"; the layout {layout} fixes it as {only}" if only else f"; the layout {layout} has none"
                refused.append(f"{name} is {value!r}{what}; leave it out")
        return refused

    def _word_mistakes(self) -> list[str]:
        words = (
            ("layout", self.layout, LAYOUTS),
            ("kind", self.kind, KINDS),
            ("stamp", self.stamp, STAMPS),
            ("decimal", self.decimal, (".", ",")),
            ("conditions", self.conditions, ("all", "regular")),
            ("suspicious", self.suspicious, ("keep", "drop")),
        )
        mistakes = [
            f"{name} is {value!r}; expected one of {', '.join(allowed)}"
            for name, value, allowed in words
            if value is not None and value not in allowed
        ]
        if self.delimiter is not None and len(self.delimiter) != 1:
            mistakes.append(f"delimiter is {self.delimiter!r}; expected one character")
        if self.depth_levels < 1:
            mistakes.append(f"depth_levels is {self.depth_levels}; expected 1 or more")
        if self.rows_skipped < 0:
            mistakes.append(f"rows_skipped is {self.rows_skipped}; expected 0 or more")
        if self.time_form is not None and self.time_form not in TIME_FORMS and "%" not in self.time_form:
            mistakes.append(
                f"time_form is {self.time_form!r}; expected one of {', '.join(TIME_FORMS)}, "
                "or a pattern such as %d.%m.%Y %H:%M"
            )
        if self.bar_type is not None and self.kind not in (None, "bar"):
            mistakes.append(f"kind is {self.kind!r} but bar_type {self.bar_type!r} is given; leave one of them out")
        return mistakes

    def _name_mistakes(self) -> list[str]:
        mistakes = []
        for check, value in (
            (BarType.parse, self.bar_type),
            (check_instrument_id, self.instrument),
            (find_zone, self.timezone),
            (parse_session, self.session),
        ):
            if value is not None:
                try:
                    check(value)
                except InvalidName as error:
                    mistakes.append(str(error))
        return mistakes
