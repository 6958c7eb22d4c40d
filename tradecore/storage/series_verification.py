"""Series verification: gaps, duplicates, disorder and impossible values of a whole series, in one pass.

Receives: the batches of a series in the order in which a store reads them, and the spans it says it covers.
Gives:    a VerifyReport.
Never:    keeps the series in memory: venue ids go to a temporary SQLite file, of the gaps the largest are kept.
          Spec: 2.1; DESIGN 7.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Sequence
from contextlib import aclosing, closing
from typing import Any, Final

from tradecore.domain.bar_type import BarType
from tradecore.errors import InvalidEvent, InvalidName, StorageError
from tradecore.storage.append_check import check_event
from tradecore.storage.append_identity import has_id
from tradecore.storage.event_columns import LAYOUTS
from tradecore.storage.market_data_storage import Gap, MarketDataStorage, MarketEvent, Series, Span, VerifyReport

GAPS_SHOWN: Final = 1_000
INVALID_SHOWN: Final = 100
# Checking an event takes microseconds; a batch of this size holds the event loop for about one millisecond.
VERIFY_BATCH: Final = 256


async def verify_series(storage: MarketDataStorage, series: Series) -> VerifyReport:
    """Read a series of any store from end to end. Raises: SeriesNotFound, StorageError."""
    spans = await storage.covered_spans(series)
    with closing(SeriesVerifier(series, spans)) as verifier:
        async with aclosing(storage.read(series, batch_size=VERIFY_BATCH)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                verifier.take(batch)
        return verifier.report()


class SeriesVerifier:
    """What is wrong so far. Close it: it owns a temporary file once the series has venue ids."""

    def __init__(self, series: Series, spans: Sequence[Span]) -> None:
        self._series = series
        key = series.key
        self._step_ns = key.step_ns if isinstance(key, BarType) else 0
        self._spans = list(spans)
        self._span_at = 0
        self._id_field = LAYOUTS[series.kind].id_field
        self._ids: sqlite3.Connection | None = None
        self._ids_taken = 0
        self._rows = self._duplicates = self._disorder = self._gap_count = 0
        self._gaps: list[tuple[int, int, Gap]] = []  # a heap, smallest gap first
        self._invalid: list[str] = []
        self._last: Any = None

    def take(self, events: Sequence[MarketEvent]) -> None:
        """Look at the next events of the series."""
        for event in events:
            self._take_one(event)
        if self._id_field is not None:
            self._take_ids([value for event in events if has_id(value := getattr(event, self._id_field))])

    def report(self) -> VerifyReport:
        """What was found."""
        gaps = sorted((gap for _, _, gap in self._gaps), key=lambda gap: gap.after_ns)
        return VerifyReport(
            self._series, self._rows, tuple(gaps), self._gap_count, self._duplicates + self._repeated_ids(),
            self._disorder, tuple(self._invalid),
        )  # fmt: skip

    def close(self) -> None:
        """Remove the temporary file; idempotent."""
        if self._ids is not None:
            self._ids.close()
            self._ids = None

    def _take_one(self, event: MarketEvent) -> None:
        last, self._last = self._last, event
        self._rows += 1
        try:
            check_event(event)
            if str(event.series) != self._series.name:
                raise InvalidEvent(f"row of {event.series} in {self._series}")
        except (InvalidEvent, InvalidName) as error:
            if len(self._invalid) < INVALID_SHOWN:
                self._invalid.append(f"row {self._rows}: {error}")
        if last is None:
            return
        if event.ts_received < last.ts_received or event.ts_event < last.ts_event:
            self._disorder += 1
        if self._series.kind == "bar" and event.ts_event == last.ts_event:
            self._duplicates += 1
        elif self._step_ns and event.ts_event >= last.ts_event + 2 * self._step_ns:
            self._take_gap(last.ts_event, event.ts_event)

    def _take_gap(self, after_ns: int, before_ns: int) -> None:
        """Count the bars that would fit between two ends, as far as their own ends are covered."""
        step = self._step_ns
        most = (before_ns - after_ns) // step - 1
        while self._span_at < len(self._spans) and self._spans[self._span_at].end_ns <= after_ns:
            self._span_at += 1
        missing = 0
        for span in self._spans[self._span_at :]:
            if span.start_ns >= before_ns:
                break
            first = max(1, -((after_ns - span.start_ns) // step))
            last = min(most, (span.end_ns - after_ns) // step)
            missing += max(0, last - first + 1)
        if missing:
            self._gap_count += 1
            entry = (missing, -after_ns, Gap(after_ns, before_ns, missing))
            if len(self._gaps) < GAPS_SHOWN:
                heapq.heappush(self._gaps, entry)
            else:
                heapq.heappushpop(self._gaps, entry)

    def _take_ids(self, ids: list[Any]) -> None:
        if not ids:
            return
        try:
            if self._ids is None:
                # The empty name is a private file that SQLite removes on closing, and keeps in memory while small.
                self._ids = sqlite3.connect("", isolation_level=None)
                self._ids.execute("CREATE TABLE ids (id PRIMARY KEY) WITHOUT ROWID")
                self._ids.execute("BEGIN")
            self._ids.executemany("INSERT OR IGNORE INTO ids VALUES (?)", ((one,) for one in ids))
        except sqlite3.Error as error:
            raise StorageError(
                f"{self._series}: its ids cannot be compared, the temporary folder takes no file: {error}. "
                "Free space there, or set TMPDIR to another folder."
            ) from error
        self._ids_taken += len(ids)

    def _repeated_ids(self) -> int:
        if self._ids is None:
            return 0
        (distinct,) = self._ids.execute("SELECT count(*) FROM ids").fetchone()
        return self._ids_taken - int(distinct)
