"""ReadTally: what was read, what was left out and why, and what cannot be taken, with line numbers.

Receives: one call per bad row; counts.
Gives:    the first problems in words and how many there are in all.
Never:    stops reading at the first problem: a user wants to hear of all of them.    Spec: 2.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Final, Protocol

from tradecore.storage.importing.import_report import ColumnUse
from tradecore.storage.market_data_storage import MarketEvent

PROBLEMS_SHOWN: Final = 20

NumberedEvent = tuple[int, MarketEvent]
"""An event with the line (text files) or row (Parquet) it came from, counted from 1."""


class ReadTally:
    """Counts of one file while it is read."""

    def __init__(self, row_word: str = "line") -> None:
        self.rows = 0
        self.left_out: Counter[str] = Counter()
        self.problems: list[str] = []
        self.problem_count = 0
        self.seen: Counter[str] = Counter()  # kept, but worth a note in the report
        self._row_word = row_word

    def add_problem(self, row: int, what: str) -> None:
        """Note that a row cannot be taken."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_SHOWN:
            self.problems.append(f"{self._row_word} {row}: {what}")

    def add_file_problem(self, what: str) -> None:
        """Note something that makes the file as a whole unreadable from here on."""
        self.problem_count += 1
        # The end of reading outranks whatever rows said before, so it is shown even when the list is full.
        self.problems[PROBLEMS_SHOWN - 1 :] = [what]


class FileReader(Protocol):
    """One file of one layout, inspected; `read` may be called any number of times, each a fresh pass.

    missing: what must be said before `read` may be called. sample: first rows as they stand in the file.
    row_word: "line" or "row", how places in the file are called. order_key: files of a folder are read in this order.
    """

    path: str
    layout: str
    kind: str | None
    series_text: str | None
    row_word: str
    order_key: tuple[str, ...]
    columns: tuple[ColumnUse, ...]
    unused: tuple[str, ...]
    time_text: str
    sample: tuple[tuple[str, ...], ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    def read(self, tally: ReadTally) -> Generator[NumberedEvent, None, None]:
        """Checked events in the order of the file; rows that cannot be taken go to the tally."""
        ...

    @property
    def fraction_read(self) -> float:
        """How much of the file the present pass has read, 0 to 1."""
        ...
