"""NetworkTrace: what a virtual network carried, as one digest.

Receives: every parcel as it arrives, and every fault as it strikes: time, link, direction, kind, bytes.
Gives:    a digest over all of it, a count, and the newest lines as text for reading.
Never:    keeps the bytes: memory stays flat over a day of traffic.    Spec: RELIABILITY 4.3.
"""

from __future__ import annotations

from collections import deque
from hashlib import sha256

from tradecore.domain.instant import SECOND_NS

_LINES_KEPT = 1_000  # enough to see what led to a failure


class NetworkTrace:
    """Digest of (time, link, direction, kind, bytes), in order of arrival."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = sha256()
        self._recent: deque[tuple[int, int, str, str, int]] = deque(maxlen=_LINES_KEPT)

    def record(self, elapsed_ns: int, link: int, direction: str, kind: str, content: bytes = b"") -> None:
        """Add one entry. link: its number, 0 for what concerns the whole network."""
        self.count += 1
        self._digest.update(f"{elapsed_ns} {link} {direction} {kind} {len(content)}\n".encode())
        self._digest.update(content)
        self._recent.append((elapsed_ns, link, direction, kind, len(content)))

    def digest(self) -> str:
        """64 hexadecimal digits: equal if and only if the same bytes arrived at the same instants."""
        return self._digest.hexdigest()

    def list_recent(self, limit: int = 50) -> list[str]:
        """The newest lines, oldest first."""
        return [
            f"{elapsed_ns / SECOND_NS:.9f} s  link {link}  {direction:<4}  {kind:<6}  {length} bytes"
            for elapsed_ns, link, direction, kind, length in list(self._recent)[-limit:]
        ]
