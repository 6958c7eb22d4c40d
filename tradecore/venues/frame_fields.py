"""Types of the fields of frames: what JSON may say where a price, a size, a time or a number is meant.

msgspec checks them while it decodes: NaN, infinities, negative amounts, times before 1970 or beyond 64 bits of
nanoseconds never get further. `strict=False` reads numbers that a venue sends as text.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from tradecore.errors import FeedDataError

NUMBER_MAX: Final = 1e18  # far beyond any price or amount; leaves room for products of two
Price = Annotated[float, Meta(gt=0, lt=NUMBER_MAX)]
Size = Annotated[float, Meta(ge=0, lt=NUMBER_MAX)]
Sequence = Annotated[int, Meta(ge=0, le=2**63 - 1)]
UnixTime = Annotated[int, Meta(gt=0, le=9_000_000_000_000_000)]
"""Milliseconds or microseconds since 1970 UTC, at most the year 2255."""

_MICROSECONDS_FROM: Final = 9_000_000_000_000  # as microseconds April 1970, as milliseconds the year 2255

T = TypeVar("T")


def unix_to_ns(time: int) -> int:
    """Nanoseconds of a venue's milliseconds or microseconds: which they are shows in their size."""
    return time * 1_000 if time >= _MICROSECONDS_FROM else time * 1_000_000


def decode_frame(decoder: msgspec.json.Decoder[T], frame: bytes | msgspec.Raw) -> T:
    """What a frame says. Raises: FeedDataError for all that is no JSON of this form, however deep or odd."""
    try:
        return decoder.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise FeedDataError(f"{type(error).__name__}: {error}") from error


def lenient(of: Any) -> msgspec.json.Decoder[Any]:
    """A decoder that also reads numbers sent as text."""
    return msgspec.json.Decoder(of, strict=False)
