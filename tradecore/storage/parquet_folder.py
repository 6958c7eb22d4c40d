"""ParquetFolder: the folder of a Parquet store: its version, its lock, its manifests, and how an append comes to count.

Receives: checked events by series.
Gives:    manifests; appends that are there wholly or not at all, over all series of the call.
Never:    works on the event loop's thread: every method here may wait for the disk.    Spec: 2.1; DESIGN 7.

An append of one series counts from the moment its manifest is renamed into place. An append of several first puts all
their new manifests into commit.json: from that rename on it counts, and whoever finds the file finishes the work.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from tradecore.domain.instrument import Instrument
from tradecore.errors import SeriesNotFound, StorageError, StorageSchemaNewer, StorageUnavailable
from tradecore.storage.covered_span import join_spans
from tradecore.storage.market_data_storage import MarketEvent, Series, SeriesInfo, Span
from tradecore.storage.parquet_manifest import MANIFEST_NAME, Manifest, load_manifest, replace_file, series_folder
from tradecore.storage.parquet_series import ParquetSeries, Planned
from tradecore.storage.store_lock import StoreLock

Returned = TypeVar("Returned")
Migration = Callable[[Path], None]

FORMAT: Final = "tradecore-parquet"
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


class _StoreFile(msgspec.Struct, frozen=True):
    """store.json."""

    format: str
    version: int


def _make_first(path: Path) -> None:
    """Version 1: folders per series with manifests; they are made as series come."""
    path.mkdir(parents=True, exist_ok=True)


# As in sqlite_schema.py: the version is the number of migrations applied, a released one is never edited. A migration
# must be able to run again after it was cut short, since files know no transaction.
MIGRATIONS: Final[tuple[Migration, ...]] = (_make_first,)


class ParquetFolder:
    """One store's folder, used by one thread."""

    def __init__(self, path: Path, url: str, lock_timeout_s: float) -> None:
        self.path = path
        self.url = url
        self._lock = StoreLock(path / "store.lock", url, lock_timeout_s)
        self._manifests: dict[Series, tuple[tuple[int, int, int], Manifest]] = {}

    def open(self, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        """Make or check the folder, bring it to the newest version, finish what a crash left.

        Raises: StorageUnavailable, StorageSchemaNewer.
        """
        try:
            version = self._load_version(migrations)
            if version < len(migrations):
                self.path.mkdir(parents=True, exist_ok=True)
                with self._lock:
                    for number in range(self._load_version(migrations), len(migrations)):
                        migrations[number](self.path)
                        stored = _StoreFile(FORMAT, number + 1)
                        replace_file(self.path / "store.json", msgspec.json.encode(stored))
            if self._commit_path.exists():
                with self._lock:
                    self._finish_commit()
        except OSError as error:
            raise StorageUnavailable(
                f"{self.url} cannot be opened ({error}); expected a folder that may be read and written"
            ) from error

    def close(self) -> None:
        """Forget what was read; nothing is held open between calls."""
        self._manifests.clear()

    def translated(self, function: Callable[[], Returned]) -> Returned:
        """What the function returns; what the disk refuses becomes a StorageError that says what to do."""
        try:
            return function()
        except OSError as error:
            if error.errno in _FULL:
                what = f"the disk is full ({error}); nothing was changed. Free space and try again."
            elif error.errno in _DENIED:
                what = f"no permission ({error}); nothing was changed. Make the folder writable."
            else:
                what = f"the disk could not be read or written ({error}); nothing was changed."
            raise StorageError(f"{self.url}: {what}") from error

    # ------------------------------------------------------------------------------------------------- series

    def series_path(self, series: Series) -> Path:
        """Folder of a series."""
        return self.path / series_folder(series)

    def find_manifest(self, series: Series) -> Manifest:
        """The manifest of a series as it is now. Raises: SeriesNotFound, StorageUnavailable."""
        manifest = self._load_manifest(series)
        if manifest is None:
            raise SeriesNotFound(self.url, series, [info.series for info in self.list_series()])
        return manifest

    def list_series(self) -> list[SeriesInfo]:
        """What it holds, ordered by kind and name."""
        manifests = [load_manifest(path) for path in self.path.glob(f"*/*/{MANIFEST_NAME}")]
        infos = [
            SeriesInfo(one.series, one.rows, one.parts[0].first_ns, one.parts[-1].last_ns)
            for one in manifests
            if one.parts
        ]
        return sorted(infos, key=lambda info: info.series)

    def add_span(self, series: Series, span: Span) -> None:
        """Note that a stretch is covered."""
        with self._lock:
            self._finish_commit()
            manifest = self._load_manifest(series) or Manifest(series.kind, series.name)
            self._commit([Planned(_covering(manifest, span), 0, (), ())])

    def append(self, groups: dict[Series, list[MarketEvent]]) -> int:
        """Add what is new of each series, all or nothing; how many that was. Raises: StorageConflict, OSError."""
        plans: list[Planned] = []
        with self._lock:
            self._finish_commit()
            try:
                for series, group in groups.items():
                    manifest = self._load_manifest(series) or Manifest(series.kind, series.name)
                    plans.append(self._plan(series, manifest, group))
                self._commit([plan for plan in plans if plan.manifest is not self._load_manifest(plan.manifest.series)])
            except BaseException:
                if not self._commit_path.exists():
                    self._remove([path for plan in plans for path in plan.written])
                raise
        return sum(plan.added for plan in plans)

    def _plan(self, series: Series, manifest: Manifest, group: list[MarketEvent]) -> Planned:
        held = ParquetSeries(self.series_path(series), manifest)
        try:
            planned = held.plan_append(group) or Planned(manifest, 0, (), ())
        finally:
            held.close()
        covering = _covering(planned.manifest, Span(group[0].ts_event, group[-1].ts_event))
        return msgspec.structs.replace(planned, manifest=covering)

    def _load_manifest(self, series: Series) -> Manifest | None:
        path = self.series_path(series) / MANIFEST_NAME
        try:
            state = path.stat()
        except FileNotFoundError:
            return None
        signature = (state.st_mtime_ns, state.st_ino, state.st_size)
        known = self._manifests.get(series)
        if known is None or known[0] != signature:
            known = (signature, load_manifest(path, series))
            self._manifests[series] = known
        return known[1]

    # ------------------------------------------------------------------------------------------------- commits

    @property
    def _commit_path(self) -> Path:
        return self.path / "commit.json"

    def _commit(self, plans: list[Planned]) -> None:
        manifests = [plan.manifest for plan in plans]
        if len(manifests) > 1:
            replace_file(self._commit_path, msgspec.json.encode(manifests))
            self._finish_commit()
        else:
            self._put(manifests)
        self._remove([path for plan in plans for path in plan.replaced])

    def _finish_commit(self) -> None:
        """Put the manifests of commit.json in place, if it is there. It may be done any number of times."""
        if self._commit_path.exists():
            try:
                manifests = msgspec.json.decode(self._commit_path.read_bytes(), type=list[Manifest])
            except msgspec.MsgspecError as error:
                raise StorageUnavailable(
                    f"{self._commit_path} is damaged ({error}); put a backup of the store in its place"
                ) from error
            self._put(manifests)
            self._commit_path.unlink()

    def _put(self, manifests: list[Manifest]) -> None:
        for manifest in manifests:
            replace_file(self.series_path(manifest.series) / MANIFEST_NAME, msgspec.json.encode(manifest))

    @staticmethod
    def _remove(paths: Sequence[Path]) -> None:
        for path in paths:
            with suppress(OSError):  # no manifest lists it any more: it takes space and does no harm
                path.unlink()

    # ---------------------------------------------------------------------------------------------- the store

    def add_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Add or replace instruments by id."""
        with self._lock:
            known = {one.id: one for one in self.load_instruments()}
            known.update({one.id: one for one in instruments})
            replace_file(self._instruments_path, msgspec.json.encode([known[name] for name in sorted(known)]))

    def load_instruments(self) -> list[Instrument]:
        """All instruments, by id."""
        try:
            content = self._instruments_path.read_bytes()
        except FileNotFoundError:
            return []
        try:
            return msgspec.json.decode(content, type=list[Instrument])
        except msgspec.MsgspecError as error:
            raise StorageUnavailable(
                f"{self._instruments_path} is damaged ({error}); delete it and define the instruments again"
            ) from error

    @property
    def _instruments_path(self) -> Path:
        return self.path / "instruments.json"

    def _load_version(self, migrations: Sequence[Any]) -> int:
        """Version of the store, 0 for a new one. Raises: StorageUnavailable, StorageSchemaNewer."""
        path = self.path / "store.json"
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=_StoreFile)
        except FileNotFoundError:
            strangers = [one.name for one in self.path.glob("*") if one.name != "store.lock"]
            if strangers:
                raise StorageUnavailable(
                    f"{self.url} holds {strangers[0]!r} and no store.json; expected a store, or an empty or new folder"
                ) from None
            return 0
        except msgspec.MsgspecError as error:
            raise StorageUnavailable(f"{path} is damaged ({error}); put a backup in its place") from error
        if stored.format != FORMAT:
            raise StorageUnavailable(f"{path} names the format {stored.format!r}; expected {FORMAT!r}")
        if stored.version > len(migrations):
            raise StorageSchemaNewer(self.url, stored.version, len(migrations))
        return stored.version


def _covering(manifest: Manifest, span: Span) -> Manifest:
    """The manifest with a span noted; the same object when nothing changes."""
    spans = tuple(join_spans(manifest.series, [*manifest.spans, span]))
    if spans == manifest.spans:
        return manifest
    return msgspec.structs.replace(manifest, generation=manifest.generation + 1, spans=spans)
