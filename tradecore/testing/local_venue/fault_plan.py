"""FaultPlan: which faults are at work now, what they did, and what they make of a frame.

Receives: faults, scheduled or at run time; each frame on its way to a connection.
Gives:    the frames that really go out; counts of what was injected, so that a test can hold them against what its
          client counted.
Never:    draws from a shared sequence: each decision is drawn by its own key, so that one fault does not change what
          another one does.    RELIABILITY 4.6, 7.2.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from tradecore.domain.delay_law import draw_key
from tradecore.domain.instant import SECOND_NS
from tradecore.testing.local_venue.fault import FRAME_KINDS, INSTANT_KINDS, Fault

GARBAGE: Final = (
    "", "null", "17", "{", "]", '"text"', '{"e":"trade","s":"BTCUSDT"', '{"e":"trade","s":"BTCUSDT","p":NaN}',
    '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","price":-Infinity}]}', "[" * 3_000,
    '{"stream":null,"data":{"e":[]}}', "\x00\ufffd garbage",
)  # fmt: skip

_CHECKSUM: Final = re.compile(r'"checksum":(\d+)')
_REORDER_WAIT_NS: Final = SECOND_NS  # a held frame goes out after this when no other one overtakes it

_DRAW_STEPS: Final = 1 << 53  # as many as a float tells apart

Release = Callable[[str], None]


class PlannedFault:
    """A fault and its instants: at work in [start, start + for) and again each `every`; None has no end."""

    __slots__ = ("fault", "hits", "is_healed", "number", "start_ns")

    def __init__(self, number: int, fault: Fault, now_ns: int) -> None:
        self.number, self.fault = number, fault
        self.start_ns = now_ns + int(fault.at_s * SECOND_NS)
        self.hits = 0
        self.is_healed = False

    def is_active(self, now_ns: int) -> bool:
        """True while it is at work."""
        fault, since = self.fault, now_ns - self.start_ns
        if self.is_healed or since < 0 or (fault.count is not None and self.hits >= fault.count):
            return False
        if fault.every_s is not None:
            since %= int(fault.every_s * SECOND_NS)
        return fault.for_s is None or since < int(fault.for_s * SECOND_NS)


class FrameTrack:
    """What faults remember of one topic on one connection."""

    __slots__ = ("held", "lost_next", "number")

    def __init__(self) -> None:
        self.number = 0
        self.lost_next = 0
        self.held: str | None = None


class FaultPlan:
    """All faults of a venue. `counts`: what was injected, by kind; `topic_counts`: by (kind, topic)."""

    def __init__(
        self, seed: int, now_ns: Callable[[], int], schedule: Callable[[int, Callable[[], None]], None]
    ) -> None:
        self._seed, self._now_ns, self._schedule = seed, now_ns, schedule
        self._planned: list[PlannedFault] = []
        self._frame_faults: list[PlannedFault] = []
        self.counts: Final[Counter[str]] = Counter()
        self.topic_counts: Final[Counter[tuple[str, str]]] = Counter()

    def add(self, fault: Fault) -> PlannedFault:
        """Plan a fault; its `at_s` counts from now. Raises: LocalVenueError."""
        fault.check()
        planned = PlannedFault(len(self._planned) + 1, fault, self._now_ns())
        self._planned.append(planned)
        if fault.kind in FRAME_KINDS:
            self._frame_faults.append(planned)
        return planned

    def heal(self, kind: str | None = None) -> list[PlannedFault]:
        """End all faults, or those of a kind; those that were ended are returned."""
        ended = [p for p in self._planned if not p.is_healed and kind in (None, p.fault.kind)]
        for planned in ended:
            planned.is_healed = True
        self._frame_faults = [planned for planned in self._frame_faults if not planned.is_healed]
        return ended

    def list_active(self) -> list[Fault]:
        """Faults that are at work now; those of an instant never are."""
        now_ns = self._now_ns()
        return [p.fault for p in self._planned if p.fault.kind not in INSTANT_KINDS and p.is_active(now_ns)]

    def find(self, kind: str, dialect: str, key: object = "") -> Fault | None:
        """The fault of this kind that is at work now for a dialect and hits what the key names, counted; else None."""
        now_ns = self._now_ns()
        for planned in self._planned:
            fault = planned.fault
            if fault.kind != kind or not planned.is_active(now_ns) or not fnmatchcase(dialect, fault.dialect):
                continue
            if fault.chance < 1 and _draw(self._seed, planned.number, dialect, key) >= fault.chance:
                continue
            self._count(planned, "")
            return fault
        return None

    def read_seconds(self, kind: str, dialect: str) -> float:
        """The `seconds` of a fault that is at work now, else 0.0; counted."""
        if not self._planned:
            return 0.0
        fault = self.find(kind, dialect)
        return 0.0 if fault is None or fault.seconds is None else fault.seconds

    def pass_frame(
        self, dialect: str, connection: int, topic: str, track: FrameTrack, text: str, release: Release
    ) -> list[str]:
        """What goes out instead of a frame: itself, nothing, or more. release: sends a frame held back, later."""
        track.number += 1
        frames = [text]
        now_ns = self._now_ns()
        for planned in self._frame_faults:
            fault = planned.fault
            if not (
                planned.is_active(now_ns) and fnmatchcase(dialect, fault.dialect) and fnmatchcase(topic, fault.topic)
            ):
                continue
            key = (self._seed, planned.number, connection, topic, track.number)
            if fault.chance == 1 or _draw(*key) < fault.chance:
                frames = self._alter(planned, topic, track, frames, _draw(*key, "which"), release)
        if track.lost_next and frames:
            track.lost_next -= 1
            self.topic_counts["lost", topic] += 1
            frames = []
        if track.held is not None and frames and text in frames:
            frames = [*frames, track.held]
            track.held = None
            self.counts["reorder"] += 1  # now it has happened; a frame that none overtook was not out of order
            self.topic_counts["reorder", topic] += 1
        return frames

    @property
    def alters_frames(self) -> bool:
        """False while no fault can touch a frame, so that nothing needs to be looked at."""
        return bool(self._frame_faults)

    def _alter(
        self, planned: PlannedFault, topic: str, track: FrameTrack, frames: list[str], drawn: float, release: Release
    ) -> list[str]:
        """The frames as one fault leaves them."""
        kind = planned.fault.kind
        if not frames or (kind == "crc" and not _CHECKSUM.search(frames[-1])) or (kind == "gap" and track.lost_next):
            return frames
        if kind == "reorder":
            return frames if track.held is not None else self._hold(planned, track, frames, release)
        self._count(planned, topic)
        if kind == "mute":
            return []
        if kind == "duplicate":
            return [*frames, frames[-1]]
        if kind == "gap":
            track.lost_next = planned.fault.frames
            return frames
        if kind == "garbage":
            return [GARBAGE[int(drawn * len(GARBAGE))], *frames]
        if kind == "partial":
            return [*frames[:-1], frames[-1][: max(len(frames[-1]) // 2, 1)]]
        assert kind == "crc", "all kinds of FRAME_KINDS are above"
        return [*frames[:-1], _CHECKSUM.sub(lambda found: f'"checksum":{int(found[1]) ^ 1}', frames[-1])]

    def _hold(self, planned: PlannedFault, track: FrameTrack, frames: list[str], release: Release) -> list[str]:
        """Keep the last frame back until the next one of its topic has gone out, or a second has passed."""
        planned.hits += 1
        track.held = held = frames[-1]
        self._schedule(self._now_ns() + _REORDER_WAIT_NS, lambda: _release_held(track, held, release))
        return frames[:-1]

    def _count(self, planned: PlannedFault, topic: str) -> None:
        planned.hits += 1
        self.counts[planned.fault.kind] += 1
        self.topic_counts[planned.fault.kind, topic] += 1

    def note(self, kind: str) -> None:
        """Count a fault of an instant that was carried out on a connection."""
        self.counts[kind] += 1


def _draw(*key: object) -> float:
    """A number in [0, 1) that depends on its key alone."""
    return (draw_key(*key) >> 11) / _DRAW_STEPS


def _release_held(track: FrameTrack, held: str, release: Release) -> None:
    """Send a frame that is still held back; by now another one may be."""
    if track.held is held:
        track.held = None
        release(held)


def describe_fault(fault: Fault) -> dict[str, object]:
    """The fault in JSON's types, without what was not set."""
    return {name: value for name, value in msgspec.to_builtins(fault).items() if value not in (None, "*")}
