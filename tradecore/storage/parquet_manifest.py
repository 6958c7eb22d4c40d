"""The manifest of a series in a Parquet store: which files make it up, and which stretches are covered.

Receives: what an append has written.
Gives:    the parts in order of time; a new manifest replaces the old one in one step of the file system.
Never:    lists a file that is not completely on the disk.    Spec: 2.1; DESIGN 7.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from tradecore.errors import StorageUnavailable
from tradecore.storage.append_identity import has_id
from tradecore.storage.market_data_storage import Series, Span

MANIFEST_NAME: Final = "manifest.json"
_NAME_LONGEST: Final = 180  # file systems take 255 bytes; a rest is left for a hash and for their own encodings


class Part(msgspec.Struct, frozen=True):
    """One Parquet file. id_low, id_high: the venue ids in it lie between them, by `id_order`; None: it has none."""

    file: str
    rows: int
    first_ns: int
    last_ns: int
    id_low: int | str | None = None
    id_high: int | str | None = None


class Manifest(msgspec.Struct, frozen=True):
    """A series: its parts in order, which may touch at an instant but not overlap; its covered spans.

    generation: number of changes so far; it numbers the files, so that none is ever written twice.
    """

    kind: str
    name: str
    generation: int = 0
    parts: tuple[Part, ...] = ()
    spans: tuple[Span, ...] = ()

    @property
    def series(self) -> Series:
        """The series that this is the manifest of."""
        return Series(self.kind, self.name)

    @property
    def rows(self) -> int:
        """Number of rows in all parts."""
        return sum(part.rows for part in self.parts)


def series_folder(series: Series) -> Path:
    """Folder of a series inside the store: kind, then the name with what file systems do not take percent-encoded."""
    name = quote(series.name, safe=" ")
    if len(name) > _NAME_LONGEST:
        name = f"{name[:_NAME_LONGEST]}~{hashlib.sha256(series.name.encode()).hexdigest()[:16]}"
    return Path(series.kind) / name


def id_order(value: Any) -> tuple[int, Any]:
    """Orders venue ids so that numbers, as ints or as text, go up as they should."""
    return (0, value) if isinstance(value, int) else (len(value), value)


def id_bounds(values: list[Any]) -> tuple[Any, Any]:
    """Lowest and highest venue id among values of an id field; (None, None) when there is none."""
    ids = [value for value in values if has_id(value)]
    return (min(ids, key=id_order), max(ids, key=id_order)) if ids else (None, None)


def may_hold(part: Part, low: Any, high: Any) -> bool:
    """Whether a part may have a venue id between two."""
    if part.id_low is None or part.id_high is None:
        return False
    return id_order(part.id_low) <= id_order(high) and id_order(low) <= id_order(part.id_high)


def load_manifest(path: Path, series: Series | None = None) -> Manifest:
    """Read a manifest. Raises: StorageUnavailable when it is damaged or of another series, OSError."""
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.MsgspecError as error:
        raise StorageUnavailable(
            f"{path} is damaged ({error}); put a backup of its folder in its place, or delete it and import again"
        ) from error
    if series is not None and manifest.series != series:
        raise StorageUnavailable(
            f"{path} belongs to {manifest.series}, not to {series}: this file system takes both names for one; "
            "keep one of them in another store"
        )
    return manifest


def replace_file(path: Path, content: bytes) -> None:
    """Put content in the place of a file in one step: after a crash it is the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
