"""Order and identity of the rows of one file, before anything of it is stored.

Receives: numbered events in the order of the file.
Gives:    the same events in order of time, repeated bars and ids told from conflicting ones; chunks of whole instants.
Never:    drops a repeated tick without an id: real ticks do repeat exactly (DESIGN 7).    Spec: 2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import IMPORTED, NO_VENUE_TIME
from tradecore.domain.instant import format_ns
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.importing.read_tally import NumberedEvent, ReadTally
from tradecore.storage.market_data_storage import MarketEvent

LEFT_REPEATED: Final = "repeats another row identically"

Identity = tuple[str, object]


def find_identity(event: MarketEvent) -> Identity | None:
    """What makes an event the one it is within an instant of its series: bars their end, ticks the venue's id.

    None for ticks without an id: equal ones are then several.
    """
    # By type and in this order: a million quotes come through here.
    if isinstance(event, QuoteTick | DepthSnapshot):
        return (event.instrument, event.sequence) if event.sequence > 0 else None
    if isinstance(event, TradeTick):
        return None if event.trade_id is None else (event.instrument, event.trade_id)
    return event.bar_type.name, event.ts_event


def order_events(rows: Iterable[NumberedEvent], settings: ImportSettings, tally: ReadTally) -> Iterator[NumberedEvent]:
    """Rows in order of event time; what is out of order, repeated or conflicting goes to the tally with its lines.

    With settings.sort the whole file is held in memory and sorted; rows of one instant keep their order.
    """
    if settings.sort:
        rows = sorted(rows, key=lambda row: row[1].ts_event)
    previous_line, previous_ns = 0, -(2**63)
    of_instant: dict[Identity, NumberedEvent] = {}
    for line, event in rows:
        at_ns = event.ts_event
        if at_ns != previous_ns:
            if at_ns < previous_ns:
                tally.add_problem(
                    line,
                    f"{format_ns(at_ns)} comes after {format_ns(previous_ns)} of line {previous_line}; "
                    "sort the file, or have it sorted: sort = true (--sort)",
                )
            of_instant.clear()
        previous_line, previous_ns = line, at_ns
        identity = find_identity(event)
        if identity is not None:
            first = of_instant.setdefault(identity, (line, event))
            if first[0] != line:
                _note_repeat(line, event, first, settings, tally)
                continue
        yield line, event


def _note_repeat(
    line: int, event: MarketEvent, first: NumberedEvent, settings: ImportSettings, tally: ReadTally
) -> None:
    if not is_same(first[1], event):
        tally.add_problem(line, f"conflicts with line {first[0]}: {describe_difference(first[1], event)}")
    elif settings.drop_duplicates:
        tally.left_out[LEFT_REPEATED] += 1
    else:
        tally.add_problem(
            line,
            f"repeats line {first[0]} ({format_ns(event.ts_event)}); leave such rows out with "
            "drop_duplicates = true (--drop-duplicates)",
        )


def is_same(met: MarketEvent, other: MarketEvent) -> bool:
    """Whether two events of one identity have the same values of the venue, as a store's append sees it.

    When it was received, and whether it came from a file, is ours (storage/append_identity.py).
    """
    if met == other:
        return True
    ours = IMPORTED | NO_VENUE_TIME
    return msgspec.structs.replace(met, ts_received=0, flags=met.flags & ~ours) == msgspec.structs.replace(
        other, ts_received=0, flags=other.flags & ~ours
    )


def describe_difference(met: MarketEvent, other: MarketEvent) -> str:
    """Where two events of one identity differ, as "at TIME close is 1.0 and 2.0"."""
    parts = []
    for name in met.__struct_fields__:
        mine, theirs = getattr(met, name), getattr(other, name)
        if mine != theirs:
            parts.append(f"{name} is {mine} and {theirs}")
    return f"at {format_ns(met.ts_event)} {', '.join(parts)}"


def chunk_instants(rows: Iterator[NumberedEvent], size: int) -> Iterator[list[NumberedEvent]]:
    """Chunks of at least `size` rows (the last may have fewer) that never cut an instant in two."""
    held = next(rows, None)
    while held is not None:
        chunk = [held, *islice(rows, size - 1)]
        last_ns = chunk[-1][1].ts_event
        held = None
        for row in rows:
            if row[1].ts_event != last_ns:
                held = row
                break
            chunk.append(row)
        yield chunk
