"""Layout "csv": rows of text with or without a header, plain, gzipped or zipped.

Receives: a path and the user's settings.
Gives:    events in the order of the file, each with its line number.
Never:    holds the file in memory.    Spec: 2.1.
"""

from __future__ import annotations

import csv
from collections.abc import Generator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from tradecore.domain.instrument import Instrument
from tradecore.errors import InvalidEvent
from tradecore.storage.importing.column_mapping import is_header
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.importing.read_tally import NumberedEvent, ReadTally
from tradecore.storage.importing.table_setup import TableSetup
from tradecore.storage.importing.text_lines import TextLines

# Commas last: beside another delimiter they are the points of decimal numbers.
_DELIMITERS: Final = ("\t", ";", "|", ",")
_LINES_LOOKED_AT: Final = 20
SAMPLE_ROWS: Final = 5


class CsvReader:
    """One text file as a table. See FileReader for what its attributes mean."""

    layout = "csv"
    row_word = "line"

    def __init__(self, path: Path, settings: ImportSettings, instruments: Mapping[str, Instrument]) -> None:
        self.path = str(path)
        self.order_key: tuple[str, ...] = (path.name, str(path))
        self._lines = TextLines(path)
        self._settings = settings
        with self._lines.open() as text:
            head = list(islice(text, settings.rows_skipped, settings.rows_skipped + _LINES_LOOKED_AT))
        self._delimiter = settings.delimiter or detect_delimiter(head)
        rows = self._parse_head(head)
        first = rows[0] if rows else []
        self._has_header = settings.has_header if settings.has_header is not None else is_header(first)
        self._width = len(first)
        data = rows[1:] if self._has_header else rows
        self.sample = tuple(tuple(row) for row in data[:SAMPLE_ROWS])
        # A first row of another width is a fault of that row, found while reading; it says nothing about the columns.
        known = [row for row in data if len(row) == self._width]
        self._setup = TableSetup(first if self._has_header else None, known, settings, instruments)
        self.kind = self._setup.kind
        self.series_text = str(self._setup.series) if self._setup.series else None
        self.columns, self.unused = self._setup.columns, self._setup.unused
        self.time_text = self._setup.describe_time()
        self.notes = tuple(self._setup.notes)
        self.missing = self._list_missing(data)

    @property
    def fraction_read(self) -> float:
        """Share of the file's bytes that the present pass has taken."""
        return self._lines.fraction_read

    def read(self, tally: ReadTally) -> Generator[NumberedEvent, None, None]:
        """Events in the order of the file; what cannot be taken goes to the tally with its line."""
        decode = self._setup.make_decoder()
        width, skipped = self._width, self._settings.rows_skipped
        with self._lines.open() as text:
            rows = csv.reader(islice(text, skipped, None), delimiter=self._delimiter, strict=True)
            is_first = self._has_header
            try:
                for row in rows:
                    if not row:
                        continue
                    if is_first:
                        is_first = False
                        continue
                    tally.rows += 1
                    line = rows.line_num + skipped
                    if len(row) != width:
                        tally.add_problem(line, f"has {len(row)} columns; expected {width} as in the first row")
                        continue
                    try:
                        event = decode(row)
                    except InvalidEvent as fault:
                        tally.add_problem(line, str(fault))
                    else:
                        yield line, event
            except csv.Error as error:
                tally.add_file_problem(f"line {rows.line_num + skipped}: cannot be read as text with columns ({error})")

    def _parse_head(self, head: Sequence[str]) -> list[list[str]]:
        rows = []
        try:
            for row in csv.reader(head, delimiter=self._delimiter):
                if row:
                    rows.append(row)  # noqa: PERF401  (what was read before a fault is kept)
        except csv.Error:
            return rows  # reading it for real reports this line
        return rows

    def _list_missing(self, data: Sequence[Sequence[str]]) -> tuple[str, ...]:
        if self._width == 0:
            return ("is empty; expected rows of text",)
        if not data:
            return ("has a header and no rows; there is nothing to import",)
        return tuple(self._setup.missing)


def detect_delimiter(head: Sequence[str]) -> str:
    """The first of tab, semicolon, bar and comma that stands equally often in each of the first lines."""
    lines = [line for line in head if line.strip()]
    for candidate in _DELIMITERS:
        counts = {line.count(candidate) for line in lines[:5]}
        if len(counts) == 1 and counts != {0}:
            return candidate
    # Lines differ (a damaged row, a quoted text) or have one column: the first line decides.
    best = max(_DELIMITERS, key=lambda candidate: lines[0].count(candidate)) if lines else ","
    return best if lines and best in lines[0] else ","
