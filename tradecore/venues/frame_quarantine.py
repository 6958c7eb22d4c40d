"""FrameQuarantine: the frames that could not be read, kept aside and counted.    RELIABILITY 2 #9.

Receives: a frame, why it was refused, and when (monotonic).
Gives:    the last ones for a person to look at, and whether they come too often to trust the rest.
Never:    grows: it keeps so many frames, and so many bytes of each.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from tradecore.domain.instant import MINUTE_NS

FRAMES_KEPT: Final = 32
BYTES_KEPT: Final = 512


class RejectedFrame(msgspec.Struct, frozen=True):
    """A frame that could not be read: when (monotonic ns), why, its first bytes, and how many it had."""

    at_ns: int
    reason: str
    start: bytes
    size: int


class FrameQuarantine:
    """rejected: count since the beginning. frames: the last ones, oldest first."""

    def __init__(self, rejects_per_minute_max: int) -> None:
        self.rejected = 0
        self.frames: deque[RejectedFrame] = deque(maxlen=FRAMES_KEPT)
        # One more than the limit: when the oldest of them is younger than a minute, the limit is exceeded.
        self._recent: deque[int] = deque(maxlen=rejects_per_minute_max + 1)

    def add(self, frame: bytes, reason: str, now_ns: int, size: int | None = None) -> None:
        """Keep a frame aside. size: of the whole frame, where only its beginning is at hand."""
        self.rejected += 1
        self._recent.append(now_ns)
        self.frames.append(RejectedFrame(now_ns, reason, frame[:BYTES_KEPT], len(frame) if size is None else size))

    def is_flooded(self, now_ns: int) -> bool:
        """True while more frames than the limit were refused within the last minute."""
        recent = self._recent
        return len(recent) == recent.maxlen and now_ns - recent[0] < MINUTE_NS
