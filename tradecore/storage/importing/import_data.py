"""import_data and plan_import: files of market data into a store, or what that would do.

Receives: a file or a folder, the user's settings, a MarketDataStorage, instruments.
Gives:    a plan (the mapping, the first rows as they would be stored, what must be said first) or a report.
Never:    begins to store before every row of every file has been read, checked, ordered and compared with the store.
          Spec: 2.1; DESIGN 7.

What is promised. A file with any bad, unsorted, repeated or conflicting row leaves the store as it was. Up to
ONE_APPEND_ROWS events are stored by one append, which is all or nothing. More go in chunks of whole instants: if the
store itself fails in the middle (a full disk, a venue's id that it knows at another time), or the import is cancelled,
the chunks stored so far stay. They are sound, ImportIncomplete says how many there are, and importing again adds the
rest and repeats nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from anyio import to_thread

from tradecore.domain.instrument import Instrument
from tradecore.errors import ImportDataError, ImportIncomplete, StorageError
from tradecore.storage.importing.event_order import chunk_instants, order_events
from tradecore.storage.importing.file_layout import open_readers
from tradecore.storage.importing.import_report import FilePlan, ImportPlan, ImportProgress, ImportReport, OnProgress
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.importing.read_tally import PROBLEMS_SHOWN, FileReader, NumberedEvent, ReadTally
from tradecore.storage.importing.series_survey import SeriesSurvey
from tradecore.storage.importing.store_conflicts import StoreConflicts
from tradecore.storage.market_data_storage import MarketDataStorage, MarketEvent

ONE_APPEND_ROWS: Final = 250_000  # about 60 MB of events in memory
CHUNK_ROWS: Final = 16_384
PREVIEW_ROWS: Final = 5

OpenReaders = Callable[[Path, ImportSettings, Mapping[str, Instrument]], list[FileReader]]
"""Finds the files of a path and inspects them; layers above add layouts that this one must not know."""


def plan_import(
    path: Path | str,
    settings: ImportSettings | None = None,
    *,
    instruments: Iterable[Instrument] = (),
    open_files: OpenReaders = open_readers,
) -> ImportPlan:
    """What an import would do; reads the first rows only, and no store.

    instruments: those defined, whose sessions end date-only rows. Raises: ImportSettingsError, ImportDataError.
    """
    settings = settings or ImportSettings()
    settings.check()
    readers = open_files(Path(path), settings, {instrument.id: instrument for instrument in instruments})
    return ImportPlan(str(path), tuple(_plan_file(reader) for reader in readers))


async def import_data(
    storage: MarketDataStorage,
    path: Path | str,
    settings: ImportSettings | None = None,
    *,
    instruments: Iterable[Instrument] = (),
    progress: OnProgress | None = None,
    open_files: OpenReaders = open_readers,
) -> ImportReport:
    """Import a file, or the files of a folder in order of series and date.

    instruments: definitions to add to the store with the data; their sessions, and those that the store has, end
    date-only rows. Raises: ImportSettingsError; ImportDataError naming lines, with the store as it was;
    ImportIncomplete; StorageError.
    """
    settings = settings or ImportSettings()
    settings.check()
    given = {instrument.id: instrument for instrument in instruments}
    known = {instrument.id: instrument for instrument in await storage.list_instruments()} | given
    readers = await to_thread.run_sync(open_files, Path(path), settings, known)
    run = _ImportRun(storage, str(path), settings, readers, progress)
    run.refuse_missing()
    await run.check_all()
    await storage.add_instruments(given.values())
    await run.store_all()
    return run.report()


class _ImportRun:
    """One import: check everything, then store everything."""

    def __init__(
        self,
        storage: MarketDataStorage,
        path: str,
        settings: ImportSettings,
        readers: Sequence[FileReader],
        progress: OnProgress | None,
    ) -> None:
        self._storage, self._path, self._settings, self._readers = storage, path, settings, readers
        self._progress = progress
        self._survey = SeriesSurvey()
        self._rows = 0
        self._left_out: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._held: list[MarketEvent] | None = []  # None once there are too many for one append
        self._fingerprints = [_fingerprint(reader.path) for reader in readers]
        self._added = self._known = 0

    def refuse_missing(self) -> None:
        """Raises ImportDataError with all that must be said first, over all files, each sentence once."""
        sentences: dict[str, str] = {}
        for reader in self._readers:
            for sentence in reader.missing:
                sentences.setdefault(sentence, self._prefix(reader) + sentence)
        if sentences:
            raise ImportDataError(self._path, list(sentences.values())[:PROBLEMS_SHOWN], total=len(sentences))

    async def check_all(self) -> None:
        """Read all files, compare them with the store; raises ImportDataError when any row cannot be taken."""
        conflicts = StoreConflicts(self._storage, await self._storage.list_series())
        problems: list[str] = []
        total = 0
        for place, reader in enumerate(self._readers):
            tally = ReadTally(reader.row_word)
            with closing(self._chunks(reader, tally)) as chunks:
                while chunk := await to_thread.run_sync(_next_chunk, chunks):
                    await conflicts.check(chunk, tally)
                    self._survey.add(chunk)
                    self._hold(chunk)
                    self._report_progress("checking", place, self._rows + tally.rows, chunk)
            self._rows += tally.rows
            self._left_out += tally.left_out
            self._seen += tally.seen
            total += tally.problem_count
            problems.extend(self._prefix(reader) + problem for problem in tally.problems)
        overlaps = self._survey.list_overlaps()
        problems[:0] = overlaps  # first: this one mistake may have caused all the others
        total += len(overlaps)
        if total:
            raise ImportDataError(self._path, problems[:PROBLEMS_SHOWN], total=total)

    async def store_all(self) -> None:
        """Append what was checked, in one go where it is small enough. Raises: ImportIncomplete, StorageError."""
        if self._held is not None:
            if self._held:
                await self._append(self._held)
                self._report_progress("storing", len(self._readers) - 1, len(self._held), ())
            self._held = []
        else:
            await self._store_in_chunks()
        # A stretch between two chunks is covered as well, although nothing happened in it.
        for series, span in self._survey.spans():
            await self._storage.add_span(series, span)

    def report(self) -> ImportReport:
        """What was done."""
        notes = dict.fromkeys(note for reader in self._readers for note in reader.notes)
        notes.update(dict.fromkeys(f"{count} {what}" for what, count in sorted(self._seen.items())))
        return ImportReport(
            path=self._path,
            layout=", ".join(sorted({reader.layout for reader in self._readers})),
            files=len({reader.path for reader in self._readers}),
            rows=self._rows,
            added=self._added,
            known=self._known,
            left_out=dict(sorted(self._left_out.items())),
            series=self._survey.report(),
            notes=tuple(notes),
        )

    def _hold(self, chunk: Sequence[NumberedEvent]) -> None:
        if self._held is not None:
            self._held.extend(event for _, event in chunk)
            if len(self._held) > ONE_APPEND_ROWS:
                self._held = None

    async def _store_in_chunks(self) -> None:
        stored = 0
        for place, reader in enumerate(self._readers):
            if _fingerprint(reader.path) != self._fingerprints[place]:
                raise ImportDataError(reader.path, ["changed while it was being imported; import it again"])
            with closing(self._chunks(reader, ReadTally(reader.row_word))) as chunks:
                while chunk := await to_thread.run_sync(_next_chunk, chunks):
                    try:
                        await self._append([event for _, event in chunk])
                    except StorageError as error:
                        raise ImportIncomplete(self._path, stored, self._survey.rows, error) from error
                    stored += len(chunk)
                    self._report_progress("storing", place, stored, chunk)

    async def _append(self, events: list[MarketEvent]) -> None:
        appended = await self._storage.append(events)
        self._added += appended.added
        self._known += appended.known

    def _chunks(self, reader: FileReader, tally: ReadTally) -> Generator[list[NumberedEvent], None, None]:
        with closing(reader.read(tally)) as rows:
            yield from chunk_instants(order_events(rows, self._settings, tally), CHUNK_ROWS)

    def _report_progress(self, stage: str, place: int, rows: int, chunk: Sequence[NumberedEvent]) -> None:
        if self._progress is None:
            return
        count = len(self._readers)
        reader = self._readers[place]
        within = reader.fraction_read if chunk else 1.0
        at_ns = chunk[-1][1].ts_event if chunk else None
        self._progress(ImportProgress(stage, reader.path, place, count, rows, (place + within) / count, at_ns))

    def _prefix(self, reader: FileReader) -> str:
        return f"{Path(reader.path).name}: " if len(self._readers) > 1 else ""


def _next_chunk(chunks: Iterator[list[NumberedEvent]]) -> list[NumberedEvent]:
    return next(chunks, [])


def _fingerprint(path: str) -> tuple[int, int]:
    stat = Path(path).stat()
    return stat.st_size, stat.st_mtime_ns


def _plan_file(reader: FileReader) -> FilePlan:
    events: list[MarketEvent] = []
    tally = ReadTally(reader.row_word)
    if not reader.missing:
        with closing(reader.read(tally)) as rows:
            for _, event in rows:
                events.append(event)
                if len(events) >= PREVIEW_ROWS:
                    break
    return FilePlan(
        path=reader.path,
        layout=reader.layout,
        kind=reader.kind,
        series=reader.series_text,
        columns=reader.columns,
        unused=reader.unused,
        time=reader.time_text,
        sample=reader.sample,
        events=tuple(events),
        faults=tuple(tally.problems),
        missing=reader.missing,
        notes=reader.notes,
    )
