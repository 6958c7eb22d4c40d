"""SqliteConnection: one database connection on its own thread, and SQLite's errors as ours.

Receives: functions that take a sqlite3.Connection.
Gives:    what they return; each call runs whole on the connection's thread, one after the other.
Never:    leaves half of a unit behind: a caller that is cancelled stops waiting, the function runs to its end.
          Spec: 2.1; DESIGN 7.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiosqlite

from tradecore.errors import StorageError, StorageUnavailable
from tradecore.storage.sqlite_schema import MIGRATIONS, check_version, migrate

Returned = TypeVar("Returned")

_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REFUSED: Final = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class SqliteConnection(aiosqlite.Connection):
    """An aiosqlite connection that runs whole functions, since one logical unit must be one call on the thread."""

    def __init__(self, path: Path, url: str, busy_timeout_s: float) -> None:
        self._path, self._url, self._busy_timeout_s = path, url, busy_timeout_s
        self._opened: sqlite3.Connection | None = None
        self._stopped: Any = None
        super().__init__(self._open, iter_chunk_size=64)

    async def run(self, function: Callable[[sqlite3.Connection], Returned]) -> Returned:
        """Run a function on the connection's thread. Raises: StorageError for what SQLite raises."""

        def run_whole() -> Returned:
            with translated_errors(self._url):
                return function(self._conn)

        execute: Any = self._execute  # aiosqlite has no public way to run a function, and no types on this one
        result: Returned = await execute(run_whole)
        return result

    def stop(self) -> Any:
        """Stop the thread. A connection that was opened for a caller who had gone is closed first."""
        self._tx.put_nowait((None, self._close_unclaimed))
        self._stopped = super().stop()
        return self._stopped

    async def wait_stopped(self) -> None:
        """Wait until the thread has done all it was given, after `stop`; a thread must not outlive its loop."""
        if self._stopped is not None:
            await self._stopped

    def _close_unclaimed(self) -> None:
        if self._opened is not None and self._connection is None:
            self._opened.close()

    def _open(self) -> sqlite3.Connection:
        with translated_errors(self._url):
            self._opened = _open_database(self._path, self._url, self._busy_timeout_s)
        return self._opened


def _open_database(path: Path, url: str, busy_timeout_s: float) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"{url}: the folder {path.parent} cannot be made: {error}") from error
    read_only = path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
    name = "file:" + quote(str(path)) + "?" + _open_mode(path, read_only)
    connection = sqlite3.connect(
        name, uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        if read_only:
            _check_current(connection, url)
        else:
            check_version(connection, url)  # before the first write, which the journal mode is
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection, url)
    except BaseException:
        connection.close()
        raise
    return connection


def _open_mode(path: Path, read_only: bool) -> str:
    if not read_only:
        return "mode=rwc"
    # A database in WAL mode needs a writable folder even for reading, unless SQLite is told that nobody writes.
    return "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"


def _check_current(connection: sqlite3.Connection, url: str) -> None:
    version = check_version(connection, url)
    if version < len(MIGRATIONS):
        raise StorageUnavailable(
            f"{url} has schema version {version} and is read-only; expected version {len(MIGRATIONS)}. "
            "Make the file and its folder writable once, so that it can be brought up to date."
        )


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    """Raise StorageUnavailable or StorageError, from what SQLite raised, with what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(url, error) from error


def _translate(url: str, error: sqlite3.Error) -> StorageError:
    code = getattr(error, "sqlite_errorcode", None)
    code = None if code is None else code & 0xFF  # the low byte is the error, the rest its shade
    if code in _DAMAGED:
        return StorageUnavailable(
            f"{url} is damaged or not an SQLite database ({error}). Put a backup in its place, save what is readable "
            "with `sqlite3 FILE .recover`, or name a new file and import again."
        )
    if code in _REFUSED:
        return StorageUnavailable(
            f"{url} cannot be opened ({error}); expected a file that may be read and written, in such a folder"
        )
    if code in _BUSY:
        return StorageError(f"{url} is being written by another process ({error}); nothing was changed. Try again.")
    if code == sqlite3.SQLITE_READONLY:
        return StorageError(f"{url} is read-only ({error}); nothing was changed. Make file and folder writable.")
    if code == sqlite3.SQLITE_FULL:
        return StorageError(f"{url}: the disk is full ({error}); nothing was changed. Free space and try again.")
    if code == sqlite3.SQLITE_IOERR:
        return StorageError(
            f"{url}: the disk could not be read or written ({error}); nothing was changed. "
            "Look for a full disk, a quota, or a failing device."
        )
    return StorageError(f"{url}: SQLite refused ({type(error).__name__}: {error}); nothing was changed")
