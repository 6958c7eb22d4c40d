"""Fault: what the local venue is to do wrong, where, when, how often.

Receives: words ("mute at=10 for=5 topic=btcusdt@trade"), or the same as a mapping.
Gives:    checked, frozen settings of one fault.
Never:    guesses: an unknown word is an error that lists the right ones.    RELIABILITY 2, 7.2; issue 4, item 2.

| kind | what the client meets |
|---|---|
| drop | the connection is reset, without a closing handshake |
| close | a proper close with `code` |
| cut | the end of a session: a notice (Binance: serverShutdown), and `seconds` later the close |
| stall | nothing is sent or read; it all comes once the stall is over |
| half_open | what is sent vanishes, in both directions, and the connection is never closed |
| mute | the frames of a topic are lost while all else goes on |
| deaf | requests on the connection are not answered |
| duplicate | a frame comes twice |
| reorder | a frame comes after the next one of its topic |
| gap | `frames` frames in a row are lost |
| garbage | a frame that is no message comes between the others |
| partial | a frame is cut in half |
| crc | a Kraken book carries a wrong checksum |
| clock_offset | the venue's own clock is `seconds` ahead; what happened keeps its time |
| late_history | history does not have the last `seconds` yet |
| slow_history | answers to history take `seconds` |
| refuse | handshakes and requests are refused with status `code`, with Retry-After where `retry_after` is given |
| accept_then_close | handshakes succeed and the connection is closed at once |
| malformed_handshake | the answer to a handshake is no HTTP |
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tradecore.errors import LocalVenueError

INSTANT_KINDS: Final = ("drop", "close", "cut")
FRAME_KINDS: Final = ("mute", "duplicate", "reorder", "gap", "garbage", "partial", "crc")
SILENT_KINDS: Final = ("stall", "half_open")
HANDSHAKE_KINDS: Final = ("refuse", "accept_then_close", "malformed_handshake")
VALUE_KINDS: Final = ("clock_offset", "late_history", "slow_history")
KINDS: Final = (*INSTANT_KINDS, *SILENT_KINDS, *FRAME_KINDS, *HANDSHAKE_KINDS, *VALUE_KINDS, "deaf")

_NEEDS_SECONDS: Final = VALUE_KINDS
_WORDS: Final = {"at": "at_s", "for": "for_s", "every": "every_s", "p": "chance"}


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault. Times are seconds of the venue's time.

    kind: a word of KINDS. at_s: when it begins, after the venue opened or, added later, after that. for_s: how long it
    lasts, None until it is healed. every_s: it comes again each time so many seconds have passed. chance: 0 to 1, of
    each frame or handshake. count: of frames at most. topic, dialect: patterns with `*`. code, retry_after: of `close`
    and `refuse`. frames: of `gap`. seconds: of `cut`, `clock_offset`, `late_history`, `slow_history`.
    """

    kind: str
    at_s: float = 0.0
    for_s: float | None = None
    every_s: float | None = None
    chance: float = 1.0
    count: int | None = None
    topic: str = "*"
    dialect: str = "*"
    code: int | None = None
    retry_after: int | None = None
    frames: int = 1
    seconds: float | None = None

    def check(self) -> None:
        """Raises: LocalVenueError, naming what was met and what was expected."""
        if self.kind not in KINDS:
            raise LocalVenueError(f"fault {self.kind!r} is unknown; expected one of {', '.join(KINDS)}")
        if not 0 < self.chance <= 1:
            raise LocalVenueError(f"fault {self.kind}: p is {self.chance}; expected above 0 and at most 1")
        for name in ("at_s", "for_s", "every_s"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise LocalVenueError(f"fault {self.kind}: {name[:-2]} is {value}; expected seconds of at least 0")
        if self.every_s is not None and (not self.every_s or (self.for_s or 0.0) >= self.every_s):
            raise LocalVenueError(f"fault {self.kind}: every={self.every_s} must be longer than for={self.for_s}")
        if self.every_s is not None and self.for_s is None and self.kind not in INSTANT_KINDS:
            raise LocalVenueError(f"fault {self.kind}: every={self.every_s} needs for=SECONDS, how long each time")
        if self.frames < 1 or (self.count is not None and self.count < 1):
            raise LocalVenueError(f"fault {self.kind}: frames and count must be at least 1")
        if self.kind in _NEEDS_SECONDS and self.seconds is None:
            raise LocalVenueError(f"fault {self.kind} needs seconds=NUMBER")


def parse_fault(text: str) -> Fault:
    """The fault of a line such as "drop at=30 every=60". Raises: LocalVenueError."""
    kind, *words = text.split()
    settings: dict[str, Any] = {"kind": kind}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise LocalVenueError(f"fault {text!r}: {word!r} cannot be read; expected NAME=VALUE, for example at=30")
        settings[_WORDS.get(name, name)] = value
    return make_fault(settings)


def make_fault(settings: dict[str, Any]) -> Fault:
    """The fault of a mapping with the words of the command line or the names of the fields. Raises: LocalVenueError."""
    named = {_WORDS.get(name, name): value for name, value in settings.items()}
    try:
        fault = msgspec.convert(named, Fault, strict=False)
    except msgspec.ValidationError as error:
        listed = ", ".join(sorted({*Fault.__struct_fields__, *_WORDS} - set(_WORDS.values())))
        raise LocalVenueError(f"fault {named.get('kind')!r}: {error}; it may have: {listed}") from error
    fault.check()
    return fault
