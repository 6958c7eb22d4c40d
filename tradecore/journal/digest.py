"""Digest: one short text that is equal when two runs did the same.

Receives: the bytes of each record file, as they are written (or would be).
Gives:    a SHA-256 per file, and one over orders and executions together: the digest of the run.
Never:    covers what differs between machines: versions, paths, times of the day.    DESIGN 6, 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

DIGESTED: Final = ("orders", "executions")
"""Files that the digest of a run covers. With a trace every callback is covered as well."""


def combine_digests(digests: Mapping[str, str]) -> str:
    """SHA-256, as hex, over the names and digests of the files, in order of name.

    >>> combine_digests({"orders": "aa", "executions": "bb"}) == combine_digests({"executions": "bb", "orders": "aa"})
    True
    """
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return sha256(lines.encode()).hexdigest()
