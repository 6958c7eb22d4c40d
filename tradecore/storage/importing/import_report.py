"""ImportPlan and ImportReport: what an import would do, and what it did.

Receives: counts and samples from the layouts and the pipeline.
Gives:    frozen values for the command line, for machines, for tests.
Never:    formats for a terminal; the command line does.    Spec: 2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from tradecore.storage.market_data_storage import MarketEvent, Series


class ColumnUse(msgspec.Struct, frozen=True):
    """One column of a file: role ("time", "open", ...), its name in the file, its position counted from 1."""

    role: str
    name: str
    position: int


class FilePlan(msgspec.Struct, frozen=True):
    """What would be made of one file.

    columns: the mapping; unused: names of columns that are not read. time: how the time column is read, in words.
    sample: first rows as they stand in the file. events: the same rows as they would be stored, empty while something
    is missing. faults: what is wrong with those rows. missing: what must be said first, each with what to type.
    """

    path: str
    layout: str
    kind: str | None
    series: str | None
    columns: tuple[ColumnUse, ...]
    unused: tuple[str, ...]
    time: str
    sample: tuple[tuple[str, ...], ...]
    events: tuple[MarketEvent, ...]
    faults: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


class ImportPlan(msgspec.Struct, frozen=True):
    """What an import would do: the file, or the files of a folder in the order of import."""

    path: str
    files: tuple[FilePlan, ...]

    @property
    def is_ready(self) -> bool:
        """True when nothing has to be said first."""
        return not any(file.missing for file in self.files)


class ImportProgress(msgspec.Struct, frozen=True):
    """Where an import is. stage: "checking" or "storing"; file: the one being read; files_done of files.

    rows: of this stage, over all files. fraction: of this stage, 0 to 1. at_ns: event time reached.
    """

    stage: str
    file: str
    files_done: int
    files: int
    rows: int
    fraction: float
    at_ns: int | None


OnProgress = Callable[[ImportProgress], Any]
"""Called on the event loop after each chunk; what it returns is not used."""


class SeriesImported(msgspec.Struct, frozen=True):
    """What the files hold of one series: rows, first and last event time (int nanoseconds).

    price_increment, quantity_increment: the coarsest decimal grid that the first rows lie on; a suggestion for an
    instrument's definition. quantity_increment is None where sizes are unknown.
    """

    series: Series
    rows: int
    first_ns: int
    last_ns: int
    price_increment: Decimal | None
    quantity_increment: Decimal | None


class ImportReport(msgspec.Struct, frozen=True):
    """What an import did.

    rows: read from the files, header lines aside. added: new in the store; known: there before; left_out: reason to
    rows. rows = added + known + left out. notes: what a reader of the data should know.
    """

    path: str
    layout: str
    files: int
    rows: int
    added: int
    known: int
    left_out: dict[str, int]
    series: tuple[SeriesImported, ...]
    notes: tuple[str, ...]

    @property
    def first_ns(self) -> int | None:
        """First event time of the files; None when they hold no event."""
        return min((entry.first_ns for entry in self.series), default=None)

    @property
    def last_ns(self) -> int | None:
        """Last event time of the files; None when they hold no event."""
        return max((entry.last_ns for entry in self.series), default=None)
