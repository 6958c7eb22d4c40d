"""Fingerprint: short texts that say which configuration, code and data a run had.

Receives: plain values, source files.
Gives:    SHA-256 as hex; equal when the content is equal, whatever the machine, path or order of keys.
Never:    reads market data: the store says what it has (series, rows, spans) and that is what counts.    DESIGN 11.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tradecore.journal.plain_json import to_json_text


def compute_fingerprint(value: Any) -> str:
    """Fingerprint of a plain value: dictionaries count by content, not by the order of their keys.

    Raises: RunFolderError for a value that JSON has no word for.
    """
    return sha256(to_json_text(value, sort_keys=True).encode()).hexdigest()


def compute_run_id(name: str, fingerprint: str) -> str:
    """Name of a run folder: the run's name in safe letters, and the start of its fingerprint.

    >>> compute_run_id("SMA cross / IBM", "0123456789abcdef")
    'SMA-cross-IBM-01234567'
    """
    safe = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") or "run"
    return f"{safe}-{fingerprint[:8]}"


def compute_code_fingerprints(modules: Sequence[str] = ()) -> dict[str, str | None]:
    """Fingerprints of tradecore itself and of modules (the strategies'); None for a module without a source file."""
    return {name: _fingerprint_module(name) for name in ("tradecore", *sorted(set(modules)))}


def describe_environment(version: str) -> dict[str, str]:
    """Versions and machine, for run.json; not part of any digest. version: of tradecore."""
    return {
        "tradecore": version,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": sys.platform,
        "machine": platform.machine(),
    }


@lru_cache(maxsize=256)
def _fingerprint_module(name: str) -> str | None:
    loaded = sys.modules.get(name)
    spec = getattr(loaded, "__spec__", None) if loaded is not None else find_spec(name)
    origin = getattr(loaded, "__file__", None) if spec is None else spec.origin
    if origin is None or not Path(origin).is_file():
        return None
    path = Path(origin)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return _fingerprint_files({file.relative_to(path.parent).as_posix(): file for file in files})


def _fingerprint_files(files: Mapping[str, Path]) -> str:
    total = sha256()
    for label in sorted(files):
        content = files[label].read_bytes()
        total.update(f"{label} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()
