"""Types of the fields of frames: what JSON may say where a price, a size, a time or a number is meant.

msgspec checks them while it decodes: NaN, infinities, negative amounts, times before 1970 or beyond 64 bits of
nanoseconds never get further. `strict=False` reads numbers that a venue sends as text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from tradecore.domain.instant import check_ns, parse_ns
from tradecore.errors import FeedDataError, InvalidEvent

NUMBER_MAX: Final = 1e18  # far beyond any price or amount; leaves room for products of two
Price = Annotated[float, Meta(gt=0, lt=NUMBER_MAX)]
Size = Annotated[float, Meta(ge=0, lt=NUMBER_MAX)]
Sequence = Annotated[int, Meta(ge=0, le=2**63 - 1)]
UnixTime = Annotated[int, Meta(gt=0, le=9_000_000_000_000_000)]
"""Milliseconds or microseconds since 1970 UTC, at most the year 2255."""

TIME_MAX_NS: Final = 9_000_000_000_000_000_000  # the year 2255
_MICROSECONDS_FROM: Final = 9_000_000_000_000  # as microseconds April 1970, as milliseconds the year 2255

UNREADABLE: Final = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What a decoder raises for a frame that is no JSON of its form, however deep or odd."""

T = TypeVar("T")


def unix_to_ns(time: int) -> int:
    """Nanoseconds of a venue's milliseconds or microseconds: which they are shows in their size."""
    return time * 1_000 if time >= _MICROSECONDS_FROM else time * 1_000_000


def decode_frame(decoder: msgspec.json.Decoder[T], frame: bytes | msgspec.Raw) -> T:
    """What a frame says. Raises: FeedDataError for all that is no JSON of this form, however deep or odd."""
    try:
        return decoder.decode(frame)
    except UNREADABLE as error:
        raise unreadable(error) from error


def unreadable(error: Exception) -> FeedDataError:
    """The typed error for one of UNREADABLE."""
    return FeedDataError(f"{type(error).__name__}: {error}")


@lru_cache(maxsize=64)
def _second_ns(text: str) -> int:
    """Nanoseconds of "2023-09-25T07:48:36"; a second is asked for as often as it has events."""
    return check_ns(parse_ns(text + "Z"))


def read_time(text: str) -> int:
    """Nanoseconds of an RFC 3339 time since 1970, with any number of digits up to nine. Raises: FeedDataError."""
    seconds, point, fraction = text[:19], text[19:20], text[20:-1]
    try:
        if point == "." and text[-1] == "Z" and fraction.isascii() and fraction.isdigit() and len(fraction) <= 9:
            ns = _second_ns(seconds) + int(fraction.ljust(9, "0"))
        else:
            ns = parse_ns(text)
    except InvalidEvent as error:
        raise FeedDataError(str(error)[:200]) from error
    if not 0 < ns < TIME_MAX_NS:
        raise FeedDataError(f"time {text[:40]} is not of our years")
    return ns


def lenient(of: Any) -> msgspec.json.Decoder[Any]:
    """A decoder that also reads numbers sent as text."""
    return msgspec.json.Decoder(of, strict=False)
