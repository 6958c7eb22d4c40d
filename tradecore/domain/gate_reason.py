"""Reason: why no real order may rest on a stream now.

Receives: nothing; these are definitions.
Gives:    the kinds of reason, in the order in which they are looked at; one reason, for programs and for people.
Never:    decides; runtime/order_gate.py does.    DESIGN 10.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class Refusal(Enum):
    """What kind of reason it is, in the order in which they are looked at."""

    NOT_LIVE = "not_live"
    UNKNOWN_STREAM = "unknown_stream"
    NOT_FRESH = "not_fresh"
    UNPROVEN = "unproven"
    LAGGING = "lagging"


class Reason(msgspec.Struct, frozen=True):
    """Why no real order: the kind, for programs, and a sentence for a person."""

    refusal: Refusal
    text: str
