"""Arrival codec: a block of arrivals as bytes, and back: what the LiveBuffer took, with number and raw stamp of each.

Receives: arrivals of every kind, in order: market events, states, answers of history, events of users' own live feeds.
Gives:    bytes (msgpack), and the same objects in the same order.
Never:    fails on a user's event that cannot be written: it is a `Withheld` in its place, so that nothing else is lost,
          and who replays can say what is missing.    DESIGN 4, 10.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

import msgspec

from tradecore.domain.stream import Stream
from tradecore.errors import RecordingUnreadable
from tradecore.feeds.identity_join import Question
from tradecore.feeds.live_buffer import HistoryAnswer, OwnArrival, arrived_ns
from tradecore.feeds.spill_codec import SPILLABLE, decode_block, encode_block


class Withheld(msgspec.Struct, frozen=True):
    """Stands where a user's event was that cannot be written: neither a msgspec.Struct nor a dataclass of a module."""

    kind: str


class ArrivalBlock(msgspec.Struct, frozen=True):
    """Arrivals that follow each other. first: ingest number of the first one, from 1. raw_ns: what the clock said when
    each was stamped, int nanoseconds: at most its receive time, unless the clock had gone back.
    """

    first: int
    raw_ns: list[int]
    arrivals: list[Any]


class _Answer(msgspec.Struct, array_like=True):
    ts_received: int
    stream: Stream
    question: Question
    rows: bytes
    as_of_ns: int
    page_from: int | None


class _Own(msgspec.Struct, array_like=True):
    ts_received: int
    ts_event: int
    feed: str
    kind: str
    fields: bytes | None


class _Written(msgspec.Struct, array_like=True):
    """delays: receive time minus raw stamp, small numbers. order: which part each arrival is in, see _PART_*."""

    first: int
    delays: list[int]
    order: bytes
    market: bytes
    answers: list[_Answer]
    own: list[_Own]


_PART_MARKET: Final = 0
_PART_ANSWER: Final = 1
_PART_OWN: Final = 2


def encode_arrivals(first: int, raw_ns: list[int], arrivals: list[Any]) -> bytes:
    """Bytes of arrivals, the first of which has the ingest number `first`."""
    order, market = bytearray(), list[Any]()
    answers, own = list[_Answer](), list[_Own]()
    for arrival in arrivals:
        if type(arrival) in SPILLABLE:
            order.append(_PART_MARKET)
            market.append(arrival)
        elif type(arrival) is HistoryAnswer:
            order.append(_PART_ANSWER)
            answers.append(_write_answer(arrival))
        else:
            assert type(arrival) is OwnArrival, f"the buffer holds no {type(arrival).__name__}"
            order.append(_PART_OWN)
            own.append(_write_own(arrival))
    delays = [arrived_ns(arrival) - raw for arrival, raw in zip(arrivals, raw_ns, strict=True)]
    return _encode(_Written(first, delays, bytes(order), encode_block(market), answers, own))


def decode_arrivals(block: bytes) -> ArrivalBlock:
    """What `encode_arrivals` was given. Raises: msgspec.MsgspecError for bytes that are none; RecordingUnreadable."""
    written = _decode(block)
    parts = (
        iter(decode_block(written.market)),
        iter([_read_answer(answer) for answer in written.answers]),
        iter([_read_own(own) for own in written.own]),
    )
    arrivals = [next(parts[part]) for part in written.order]
    raw_ns = [arrived_ns(arrival) - delay for arrival, delay in zip(arrivals, written.delays, strict=True)]
    return ArrivalBlock(written.first, raw_ns, arrivals)


def _write_answer(answer: HistoryAnswer) -> _Answer:
    rows = encode_block(list(answer.rows))
    return _Answer(answer.ts_received, answer.stream, answer.question, rows, answer.as_of_ns, answer.page_from)


def _read_answer(answer: _Answer) -> HistoryAnswer:
    rows = tuple(decode_block(answer.rows))
    return HistoryAnswer(answer.ts_received, answer.stream, answer.question, rows, answer.as_of_ns, answer.page_from)


def _write_own(arrival: OwnArrival) -> _Own:
    event = arrival.event
    kind = f"{type(event).__module__}:{type(event).__qualname__}"
    fields = None
    if "<" not in kind:  # a class inside a function cannot be found again
        try:
            fields = _encode(event)
        except TypeError:
            fields = None  # told by Withheld, when it is read
    return _Own(arrival.ts_received, arrival.ts_event, arrival.feed, kind, fields)


def _read_own(own: _Own) -> OwnArrival:
    if own.fields is None:
        return OwnArrival(own.ts_received, own.ts_event, Withheld(own.kind), own.feed)
    module, _, name = own.kind.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        event = msgspec.msgpack.decode(own.fields, type=found)
    except (ImportError, AttributeError, msgspec.MsgspecError) as error:
        raise RecordingUnreadable(
            f"an event of feed {own.feed!r} was recorded as {own.kind}, and that class cannot make it again: {error}; "
            "replay with the code that was recorded"
        ) from error
    return OwnArrival(own.ts_received, own.ts_event, event, own.feed)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Written).decode
