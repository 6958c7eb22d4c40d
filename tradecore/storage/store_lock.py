"""StoreLock: one process at a time writes into a folder.

Receives: the path of a lock file.
Gives:    a context manager that holds the lock; the system lets it go when the process dies, so none is ever stale.
Never:    keeps readers out.    Spec: 2.1.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tradecore.errors import StorageError

fcntl: Any
try:
    import fcntl
except ModuleNotFoundError:  # Windows has no flock; there, two processes must not write into one store
    fcntl = None

_RETRY_S: Final = 0.05


class StoreLock:
    """The lock of a store's folder; not reentrant."""

    def __init__(self, path: Path, url: str, timeout_s: float) -> None:
        self._path, self._url, self._tries = path, url, max(1, round(timeout_s / _RETRY_S))
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._wait(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._descriptor is not None, "the lock is held inside the block"
        os.close(self._descriptor)
        self._descriptor = None

    def _wait(self, descriptor: int) -> None:
        if fcntl is None:
            return
        for remaining in range(self._tries, 0, -1):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if remaining == 1:
                    raise StorageError(
                        f"{self._url} is being written by another process; nothing was changed. Try again."
                    ) from error
                time.sleep(_RETRY_S)
