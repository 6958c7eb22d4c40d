"""ParquetSeries: one series in a Parquet store: what it has in a stretch, blocks of events, and the plan of an append.

Receives: a manifest, and the folder its files lie in; events in order of time that were checked.
Gives:    rows, events, and new part files with the manifest that will list them.
Never:    changes a file that a manifest lists; puts a manifest in place (parquet_storage.py does).
          Spec: 2.1; DESIGN 7.

An append that lies behind the last part, or between two parts, writes files beside them; where it overlaps a part, that
part is written anew with both. Small neighbours are joined as they come, where they are at most twice as large as what
is added, so that a thousand small appends leave a handful of files and each row is rewritten a few times only.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from tradecore.errors import StorageUnavailable
from tradecore.storage.append_identity import find_new
from tradecore.storage.block_reader import NO_EVENTS, Block
from tradecore.storage.event_columns import LAYOUTS, EventLayout, Row
from tradecore.storage.market_data_storage import MarketEvent
from tradecore.storage.parquet_block import ParquetBlock
from tradecore.storage.parquet_columns import ROW_GROUP_ROWS, RowGroup, arrow_schema, table_of, write_part
from tradecore.storage.parquet_library import compute, pa, parquet
from tradecore.storage.parquet_manifest import Manifest, Part, id_bounds, may_hold

PART_ROWS: Final = 4 * ROW_GROUP_ROWS  # a part is decoded whole when an append overlaps it


class Planned(msgspec.Struct, frozen=True):
    """An append of one series, written but not yet listed. replaced: files that the new manifest no longer lists."""

    manifest: Manifest
    added: int
    written: tuple[Path, ...]
    replaced: tuple[Path, ...]


class ParquetSeries:
    """Reads the parts of one manifest. It keeps the last file open and its last row group decoded; close it."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        self._folder = folder
        self._layout: EventLayout = LAYOUTS[manifest.kind]
        self._file: Any = None
        self._file_name = ""
        self._group: RowGroup | None = None
        self._group_at: tuple[str, int] | None = None

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._file is not None:
            self._file.close()
        self._file, self._file_name, self._group, self._group_at = None, "", None, None

    def load_block(self, instant: int, skip: int, end_ns: int) -> Block:
        """Events of the row group at an instant, from there on, without its first `skip`, up to end_ns; or none."""
        for part, at in self._groups_from(instant):
            if part.first_ns > end_ns:
                break
            group = self._load_group(part, at)
            start = group.first_at(instant) + skip
            if start >= group.rows:
                skip = start - group.rows
                continue
            stop = group.end_of(end_ns)
            if stop <= start:
                break
            return ParquetBlock(self._layout, self.manifest.series.key, group, start, stop)
        return NO_EVENTS

    def load_between(self, first_ns: int, last_ns: int, limit: int | None) -> list[Row] | None:
        """Rows of a stretch of time; None when there are more than `limit`."""
        found: list[Row] = []
        for part, at in self._groups_from(first_ns):
            if part.first_ns > last_ns:
                break
            group = self._load_group(part, at)
            found += group.rows_between(group.first_at(first_ns), group.end_of(last_ns))
            if limit is not None and len(found) > limit:
                return None
        return found

    def load_by_id(self, ids: list[Any]) -> dict[Any, Row]:
        """Rows that carry one of these venue ids."""
        field = self._layout.id_field
        assert field is not None, "only kinds with an id are asked by id"
        position = self._layout.position(field)
        found: dict[Any, Row] = {}
        if not ids:
            return found
        low, high = id_bounds(ids)
        wanted = pa.array(ids, arrow_schema(self._layout).field(field).type)
        for part in self.manifest.parts:
            if not may_hold(part, low, high):
                continue
            file = self._open(part)
            for at in range(file.num_row_groups):
                with self._naming(part):
                    held = file.read_row_group(at, columns=[field], use_threads=False).column(0)
                hits = compute.indices_nonzero(compute.is_in(held, value_set=wanted)).to_pylist()
                if hits:
                    group = self._load_group(part, at)
                    for hit in hits:
                        (row,) = group.rows_between(hit, hit + 1)
                        found[row[position]] = row
        return found

    # ------------------------------------------------------------------------------------------------ appending

    def plan_append(self, events: Sequence[MarketEvent]) -> Planned | None:
        """Write what is new to files of its own; None when nothing is. Raises: StorageConflict, OSError.

        When it fails, the files it wrote are removed.
        """
        tables = [
            table_of(self._layout, fresh)
            for fresh, _ in find_new(self.manifest.series, self._layout, events, self)
            if fresh
        ]
        if not tables:
            return None
        fresh = pa.concat_tables(tables).combine_chunks()
        parts: list[Part] = []
        written: list[Path] = []
        try:
            for segment in self._join_small(self._segments(fresh)):
                if isinstance(segment, Part):
                    parts.append(segment)
                    continue
                pieces = -(-segment.num_rows // PART_ROWS)
                size = -(-segment.num_rows // pieces)
                for start in range(0, segment.num_rows, size):
                    path = self._folder / f"{self.manifest.generation + 1:08d}-{len(written):04d}.parquet"
                    written.append(path)
                    parts.append(self._write(segment.slice(start, size), path))
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise
        kept = {part.file for part in parts}
        replaced = tuple(self._folder / part.file for part in self.manifest.parts if part.file not in kept)
        manifest = msgspec.structs.replace(self.manifest, generation=self.manifest.generation + 1, parts=tuple(parts))
        return Planned(manifest, fresh.num_rows, tuple(written), replaced)

    def _segments(self, fresh: Any) -> list[Any]:
        """The parts that stay, and tables where something new is, in order of time."""
        times = fresh.column(0).to_pylist()
        parts = self.manifest.parts
        cuts = [bisect_left(times, part.first_ns) for part in parts] + [len(times)]
        segments: list[Any] = [fresh.slice(0, cuts[0])] if cuts[0] else []
        for at, part in enumerate(parts):
            start, stop = cuts[at], cuts[at + 1]
            if start < stop and times[start] < part.last_ns:
                both = pa.concat_tables([self._read_part(part), fresh.slice(start, stop - start)])
                # A stable sort: of one instant, what was there stays before what is added.
                segments.append(both.take(compute.sort_indices(both, sort_keys=[("ts_event", "ascending")])))
                continue
            segments.append(part)
            if start < stop:
                segments.append(fresh.slice(start, stop - start))
        return segments

    def _join_small(self, segments: list[Any]) -> list[Any]:
        """Tables joined with small neighbours."""
        joined: list[Any] = []
        for segment in segments:
            joined.append(segment)
            while len(joined) > 1 and self._should_join(joined[-2], joined[-1]):
                after = joined.pop()
                before = joined.pop()
                joined.append(pa.concat_tables([self._as_table(before), self._as_table(after)]))
        return joined

    @staticmethod
    def _should_join(before: Any, after: Any) -> bool:
        if isinstance(before, Part) and isinstance(after, Part):
            return False
        rows = [one.rows if isinstance(one, Part) else one.num_rows for one in (before, after)]
        if not isinstance(before, Part) and not isinstance(after, Part):
            return True
        part_rows, new_rows = rows if isinstance(before, Part) else rows[::-1]
        return bool(part_rows < ROW_GROUP_ROWS and part_rows <= 2 * new_rows)

    def _as_table(self, segment: Any) -> Any:
        return self._read_part(segment) if isinstance(segment, Part) else segment

    def _write(self, table: Any, path: Path) -> Part:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_part(table, file)
            file.flush()
            os.fsync(file.fileno())
        field = self._layout.id_field
        low, high = (None, None) if field is None else id_bounds(table.column(field).to_pylist())
        times = table.column(0)
        return Part(path.name, table.num_rows, times[0].as_py(), times[-1].as_py(), low, high)

    # -------------------------------------------------------------------------------------------------- reading

    def _groups_from(self, instant: int) -> Iterator[tuple[Part, int]]:
        """Row groups, in order, from the first that may have a row at or after an instant."""
        for part in self.manifest.parts:
            if part.last_ns < instant:
                continue
            metadata = self._open(part).metadata
            for at in range(metadata.num_row_groups):
                statistics = metadata.row_group(at).column(0).statistics
                if statistics is None or not statistics.has_min_max or statistics.max >= instant:
                    yield part, at

    def _open(self, part: Part) -> Any:
        if self._file_name != part.file:
            self.close()
            with self._naming(part):
                self._file = parquet.ParquetFile(self._folder / part.file)
            self._file_name = part.file
        return self._file

    def _load_group(self, part: Part, at: int) -> RowGroup:
        if self._group is None or self._group_at != (part.file, at):
            file = self._open(part)
            with self._naming(part):
                self._group = RowGroup(self._layout, file, at)
            self._group_at = (part.file, at)
        return self._group

    def _read_part(self, part: Part) -> Any:
        file = self._open(part)
        with self._naming(part):
            return file.read(use_threads=False).cast(arrow_schema(self._layout))

    @contextmanager
    def _naming(self, part: Part) -> Iterator[None]:
        """Name the file that cannot be decoded. What the disk refuses, which has an errno, passes through."""
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise StorageUnavailable(
                f"{self._folder / part.file} is damaged ({error}); put a backup of its folder in its place, "
                "or delete the folder and import again"
            ) from error
