"""FrameLog: raw frames as they were received, line by line: the receive time in ns, a space, the frame.

Receives: frames with their receive times.
Gives:    frames-YYYYMMDD.jsonl.gz, one file for each day (UTC): the form of the importers and of `tradecore venue`.
Never:    changes a frame, but for line ends inside it, which become spaces; keeps more than some 64 kB in memory.
          What was written is readable however the recording ended: each write is a whole gzip member.    DESIGN 10.
"""

from __future__ import annotations

import gzip
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

from tradecore.domain.instant import DAY_NS, to_datetime
from tradecore.errors import RecordingFailed

MEMBER_BYTES: Final = 65_536
"""Frames compressed and written at once: about 1 ms."""

_LEVEL: Final = 1


class FrameLog:
    """Frames into the files of a folder, which is there. frames: so far. Raises: RecordingFailed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.frames = 0
        self._lines: list[bytes] = []
        self._size = 0
        self._day = -1
        self._path = folder
        self._file: FileIO | None = None

    def append(self, received_ns: int, frame: str | bytes) -> None:
        """Take the next frame. Raises: RecordingFailed; nothing more may be given then."""
        day = received_ns // DAY_NS
        if day != self._day:
            self.flush()
            self._open(day, received_ns)
        raw = frame.encode() if isinstance(frame, str) else frame
        if b"\n" in raw or b"\r" in raw:
            raw = raw.replace(b"\n", b" ").replace(b"\r", b" ")
        line = b"%d %s\n" % (received_ns, raw)
        self._lines.append(line)
        self._size += len(line)
        self.frames += 1
        if self._size >= MEMBER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one gzip member. Raises: RecordingFailed."""
        if not self._lines or self._file is None:
            return
        block = gzip.compress(b"".join(self._lines), _LEVEL, mtime=0)
        count = len(self._lines)
        self._lines, self._size = [], 0
        begin, done = self._file.tell(), 0
        try:
            while done < len(block):
                done += self._file.write(block[done:]) or 0
        except OSError as error:
            with suppress(OSError):  # the first error is the one to tell
                os.ftruncate(self._file.fileno(), begin)
            self._drop_file()
            raise RecordingFailed(self._path, self.frames - count, error) from error

    def close(self) -> None:
        """Write what waits and close the file; idempotent. Raises: RecordingFailed."""
        try:
            self.flush()
        finally:
            self._drop_file()

    def _open(self, day: int, received_ns: int) -> None:
        self._drop_file()
        self._day = day
        self._path = self.folder / f"frames-{to_datetime(received_ns):%Y%m%d}.jsonl.gz"
        try:
            self._file = FileIO(self._path, "ab")
        except OSError as error:
            raise RecordingFailed(self._path, self.frames, error) from error

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
