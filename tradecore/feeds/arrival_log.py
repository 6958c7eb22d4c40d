"""ArrivalLog: arrivals in a file, block by block, in the one order in which they were received.

Receives: arrivals with ingest number and raw stamp, as the LiveBuffer numbers them.
Gives:    a file that grows by whole blocks; a reader that may follow it while it grows.
Never:    keeps more than a block in memory, and never leaves half a block behind what a reader takes: each one carries
          its length and checksum, and what follows the last whole one is not read.    DESIGN 4, 10.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from struct import Struct
from typing import Any, Final, Self

import msgspec

from tradecore.errors import RecordingFailed, RecordingUnreadable
from tradecore.feeds.arrival_codec import ArrivalBlock, decode_arrivals, encode_arrivals

BLOCK_ARRIVALS: Final = 1_024
"""Arrivals written at once: about 1 ms with their compression."""

_MAGIC: Final = b"tradecore arrivals 1\n"
_HEAD: Final = Struct("<II")  # length and CRC-32 of the compressed block
_LEVEL: Final = 1  # market data shrinks to a quarter; level 6 takes three times as long for a tenth less


class ArrivalLog:
    """A new file of arrivals. written: arrivals that are in it. Raises: RecordingFailed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self._first = 1
        self._raw_ns: list[int] = []
        self._arrivals: list[Any] = []
        self._file: FileIO | None = None
        try:
            self._file = FileIO(path, "xb")
            self._write(self._file, _MAGIC)
        except OSError as error:
            self._drop_file()
            raise RecordingFailed(path, 0, error) from error

    def append(self, number: int, raw_ns: int, arrival: Any) -> None:
        """Take the next arrival. Raises: RecordingFailed when a block cannot be written; nothing more is taken then."""
        if not self._arrivals:
            self._first = number
        self._raw_ns.append(raw_ns)
        self._arrivals.append(arrival)
        if len(self._arrivals) >= BLOCK_ARRIVALS:
            self.flush()

    def flush(self) -> None:
        """Write what waits as a block. Raises: RecordingFailed."""
        arrivals, raw_ns = self._arrivals, self._raw_ns
        if not arrivals or self._file is None:
            return
        self._arrivals, self._raw_ns = [], []
        block = zlib.compress(encode_arrivals(self._first, raw_ns, arrivals), _LEVEL)
        try:
            self._write(self._file, _HEAD.pack(len(block), zlib.crc32(block)) + block)
        except OSError as error:
            self._drop_file()
            raise RecordingFailed(self.path, self.written, error) from error
        self.written += len(arrivals)

    def close(self) -> None:
        """Write what waits and close the file; idempotent. Raises: RecordingFailed."""
        try:
            self.flush()
        finally:
            self._drop_file()

    @staticmethod
    def _write(file: FileIO, block: bytes) -> None:
        begin, done = file.tell(), 0
        try:
            while done < len(block):
                done += file.write(block[done:]) or 0
        except OSError:
            with suppress(OSError):  # the first error is the one to tell; a reader stops before half a block anyway
                os.ftruncate(file.fileno(), begin)
            raise

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


class ArrivalLogReader:
    """Reads a log block by block. It may be written meanwhile: a block that is not whole yet is not there yet."""

    def __init__(self, path: Path) -> None:
        """Raises: RecordingUnreadable."""
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise RecordingUnreadable(f"{path}: cannot be read ({error.strerror}); expected arrivals.log") from error
        if self._file.read(len(_MAGIC)) != _MAGIC:
            self._file.close()
            raise RecordingUnreadable(f"{path}: is no log of arrivals; it does not begin as one")
        self._place = len(_MAGIC)

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read_block(self) -> ArrivalBlock | None:
        """The next block; None when there is no whole one. Raises: RecordingUnreadable for one that was changed."""
        self._file.seek(self._place)
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        length, checksum = _HEAD.unpack(head)
        block = self._file.read(length)
        if len(block) < length:
            return None
        try:
            if zlib.crc32(block) != checksum:
                raise ValueError("its checksum is another one")
            decoded = decode_arrivals(zlib.decompress(block))
        except (ValueError, zlib.error, msgspec.MsgspecError) as error:
            raise RecordingUnreadable(f"{self.path}: the block at byte {self._place} was changed: {error}") from error
        self._place += _HEAD.size + length
        return decoded

    @property
    def rest_bytes(self) -> int:
        """Bytes behind the last block that was read: of an open log what is to come, of a closed one what was cut."""
        return max(0, os.fstat(self._file.fileno()).st_size - self._place)

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()


def read_arrivals(path: Path) -> Iterator[ArrivalBlock]:
    """All whole blocks of a log, in order. Raises: RecordingUnreadable."""
    with ArrivalLogReader(path) as reader:
        while (block := reader.read_block()) is not None:
            yield block
