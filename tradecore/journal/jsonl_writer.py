"""JsonlWriter: records as lines of JSON, hashed as they go out.

Receives: msgspec structs or plain values, or lines already encoded.
Gives:    a file of one record per line, the SHA-256 of its bytes, counts of lines and bytes. Without a path only these.
Never:    keeps a record longer than its buffer; leaves half a line behind when the disk is full.    DESIGN 11.

Decimals are written as strings, enums by name (their value is their name), floats with the fewest digits that give the
same float back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any, Final

import msgspec

from tradecore.domain.bar_type import BarType
from tradecore.domain.event import Event
from tradecore.errors import RunFolderError

LINES_MAX: Final = 64
"""Lines that wait at most before they are written: 20 kB of orders, which a processor has at hand."""


def _name_unknown(value: Any) -> Any:
    # What msgspec does not know: our BarType by name, a user's own event by its type and time.
    if isinstance(value, BarType):
        return value.name
    named = {"type": type(value).__qualname__}
    if isinstance(value, Event):
        named |= {"event_type": value.event_type, "dt_event": value.dt_event.isoformat()}
    return named


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_name_unknown, decimal_format="string")

encode_record: Final = _ENCODER.encode
"""A record as one line of JSON, without the newline: about 1 us for an order or an execution."""


class JsonlWriter:
    """One file of records. `close` writes what waits; it may be called again.

    keep: as `write`, for who calls `flush_full` soon after: until then a record waits, and a full disk is not met.
    """

    __slots__ = ("_file", "_hash", "_path", "_records", "byte_count", "is_whole", "keep", "written_count")

    def __init__(self, path: Path | None) -> None:
        """path: a file that does not exist yet, or None to keep only hash and counts. Raises: RunFolderError."""
        self._path = path
        self._records: list[Any] = []  # always this very list
        self.keep: Callable[[Any], None] = self._records.append
        self._hash = sha256()
        self.written_count = 0
        self.byte_count = 0
        self.is_whole = True
        self._file: FileIO | None = None
        if path is not None:
            try:
                self._file = FileIO(path, "xb")
            except OSError as error:
                raise write_error(path, error) from error

    @property
    def line_count(self) -> int:
        """Lines so far, written or waiting."""
        return self.written_count + len(self._records)

    def write(self, record: Any) -> None:
        """One record; it must not change afterwards. Raises: RunFolderError when the file cannot take it."""
        self._records.append(record)
        self.flush_full()

    def flush_full(self) -> None:
        """Write what waits, where it is as much as may wait. Raises: RunFolderError."""
        if len(self._records) >= LINES_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Raises: RunFolderError; whole lines written before are kept."""
        if not self._records:
            return
        # All that wait in one call: a record by itself costs three times as much.
        block = _ENCODER.encode_lines(self._records)
        self.written_count += len(self._records)
        self._records.clear()
        self._hash.update(block)
        self.byte_count += len(block)
        if self._file is not None and self.is_whole:
            self._write_block(self._file, block)

    def close(self) -> None:
        """Write what waits and close the file. Raises: RunFolderError."""
        try:
            self.flush()
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None

    @property
    def digest(self) -> str:
        """SHA-256, as hex, of all lines so far, written or waiting."""
        if not self._records:
            return self._hash.hexdigest()
        ahead = self._hash.copy()
        ahead.update(_ENCODER.encode_lines(self._records))
        return ahead.hexdigest()

    def _write_block(self, file: FileIO, block: bytes) -> None:
        begin = file.tell()
        written = 0
        try:
            while written < len(block):
                written += file.write(block[written:]) or 0
        except OSError as error:
            self.is_whole = False
            assert self._path is not None
            with suppress(OSError):  # the first error is the one to report; a line cut in half can be seen by a reader
                os.ftruncate(file.fileno(), begin + block.rfind(b"\n", 0, written) + 1)
            raise write_error(self._path, error) from error


def write_error(path: Path, error: OSError) -> RunFolderError:
    """The error for a file of a run folder that cannot be written: what was met, and what to do."""
    reason = error.strerror or type(error).__name__
    return RunFolderError(
        f"{path}: cannot be written ({reason}); what was written before is kept and labelled incomplete. "
        "Free space or permissions there, or choose another folder with runs_dir"
    )
