"""TextLines: the lines of a plain, gzipped or zipped text file, and how far reading has come.

Receives: a path ending in .csv, .txt, .gz, .zip or anything that is text.
Gives:    an iterator of decoded lines; the share of bytes read.
Never:    holds more than a block of the file in memory; never guesses an encoding other than UTF-8.    Spec: 2.1.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tradecore.errors import ImportDataError


class TextLines:
    """Opens a file again for each pass."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = 1
        self._raw: IO[bytes] | None = None

    @property
    def fraction_read(self) -> float:
        """Share of the file's bytes that the present pass has taken, 0 to 1."""
        if self._raw is None or self._raw.closed:
            return 1.0
        return min(self._raw.tell() / self._size, 1.0)

    @contextmanager
    def open(self) -> Iterator[Iterator[str]]:
        """The lines, line ends kept. Raises: ImportDataError when the file is not what its name says, or not UTF-8."""
        try:
            self._size = max(self.path.stat().st_size, 1)
            with self.path.open("rb") as raw:
                self._raw = raw
                with self._open_binary(raw) as binary, io.TextIOWrapper(binary, "utf-8-sig", newline="") as text:
                    yield text
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
            raise ImportDataError(str(self.path), [self._explain(error)]) from error
        except UnicodeDecodeError as error:
            what = f"is not UTF-8 text ({error.reason} at byte {error.start}); convert it to UTF-8"
            raise ImportDataError(str(self.path), [what]) from error

    def _open_binary(self, raw: IO[bytes]) -> IO[bytes]:
        suffix = self.path.suffix.lower()
        if suffix == ".gz":
            return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
        if suffix == ".zip":
            return self._open_member(raw)
        return raw

    def _open_member(self, raw: IO[bytes]) -> IO[bytes]:
        archive = zipfile.ZipFile(raw)
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            names = ", ".join(member.filename for member in members[:5]) or "none"
            raise ImportDataError(
                str(self.path), [f"has {len(members)} files inside ({names}); expected one. Unpack it and import each"]
            )
        if members[0].flag_bits & 1:
            raise ImportDataError(str(self.path), ["is encrypted; unpack it first"])
        return archive.open(members[0])

    def _explain(self, error: Exception) -> str:
        if isinstance(error, FileNotFoundError):
            return "does not exist; check the path"
        if isinstance(error, (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError)):
            return f"is damaged or not a {self.path.suffix} file ({error}); fetch it again"
        return f"cannot be read ({error})"
