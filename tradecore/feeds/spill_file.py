"""SpillFile: where a LiveBuffer puts what its memory cannot hold.

Receives: blocks of bytes, appended.
Gives:    each block by its place, as often as wanted.
Never:    uses a thread: a block goes to the page cache in well under a millisecond, and on virtual time there are none;
          never leaves a file behind, even when the process is killed.    DESIGN 4, 10; RELIABILITY 2 (row 41).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, Protocol


class SpillFile(Protocol):
    """A file of blocks. `name` stands in errors."""

    name: str

    def append(self, block: bytes) -> int:
        """Write a block at the end; its place. Raises: OSError, and then nothing of the block counts."""
        ...

    def read(self, place: int, length: int) -> bytes:
        """The block of that place. Raises: OSError."""
        ...

    def clear(self) -> None:
        """Forget all blocks and give their room back."""
        ...

    def close(self) -> None:
        """Remove the file; idempotent."""
        ...


class DiskSpillFile:
    """A nameless file in a folder, opened with the first block. folder: None for the system's place for such files."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.name = f"a spill file in {folder or tempfile.gettempdir()}"
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._end = 0

    def append(self, block: bytes) -> int:
        """Write a block at the end; its place."""
        if self._file is None:
            # Without a name from the start on POSIX, deleted when closed elsewhere: nothing is left after a kill.
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  (closed by close())
        place, file = self._end, self._file
        file.seek(place)
        rest = memoryview(block)
        while rest:
            rest = rest[file.write(rest) :]
        self._end = place + len(block)
        return place

    def read(self, place: int, length: int) -> bytes:
        """The block of that place."""
        assert self._file is not None, "blocks are read after they were written"
        self._file.seek(place)
        block = self._file.read(length)
        if len(block) != length:
            raise OSError(f"{self.name}: {len(block)} bytes at {place}, expected {length}")
        return block

    def clear(self) -> None:
        """Forget all blocks and give their room back."""
        self._end = 0
        if self._file is not None:
            self._file.truncate(0)

    def close(self) -> None:
        """Remove the file; idempotent."""
        file, self._file, self._end = self._file, None, 0
        if file is not None:
            file.close()
