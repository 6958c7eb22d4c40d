"""Spill codec: a block of arrivals as bytes, and back, bit for bit.

Receives: arrivals in order: market events, state changes.
Gives:    bytes (msgpack); the same objects in the same order.
Never:    takes a user's own events: their classes are unknown, so they stay in memory (live_buffer.py).    DESIGN 5.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick


class _Block(msgspec.Struct, array_like=True):
    """Arrivals parted by class, so that each part is decoded at once; `order` says which part comes next."""

    order: bytes
    bars: list[Bar]
    trades: list[TradeTick]
    quotes: list[QuoteTick]
    depths: list[DepthSnapshot]
    states: list[FeedStateChanged]


_PARTS: Final[dict[type, int]] = {Bar: 0, TradeTick: 1, QuoteTick: 2, DepthSnapshot: 3, FeedStateChanged: 4}

SPILLABLE: Final = frozenset(_PARTS)
"""Classes that can be written."""


def encode_block(arrivals: list[Any]) -> bytes:
    """Bytes of arrivals whose classes are in SPILLABLE."""
    parts: tuple[list[Any], ...] = ([], [], [], [], [])
    order = bytearray()
    for arrival in arrivals:
        part = _PARTS[type(arrival)]
        order.append(part)
        parts[part].append(arrival)
    return _encoder.encode(_Block(bytes(order), *parts))


def decode_block(block: bytes) -> list[Any]:
    """The arrivals of `encode_block`, in order."""
    found = _decoder.decode(block)
    parts = [iter(part) for part in (found.bars, found.trades, found.quotes, found.depths, found.states)]
    return [next(parts[part]) for part in found.order]


def _bar_type_to_name(value: Any) -> str:
    if isinstance(value, BarType):
        return value.name
    raise NotImplementedError(f"{type(value).__name__} cannot be written to a spill file")


def _bar_type_of(kind: type, name: Any) -> BarType:
    if kind is BarType:
        return BarType.parse(name)
    raise NotImplementedError(f"{kind.__name__} cannot be read from a spill file")


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_bar_type_to_name)
_decoder: Final = msgspec.msgpack.Decoder(_Block, dec_hook=_bar_type_of)
