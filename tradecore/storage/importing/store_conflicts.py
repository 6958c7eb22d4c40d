"""Conflicts of a file with what the store already has, looked for before the first append.

Receives: chunks of a file's events; a store.
Gives:    a problem for each event whose identity the store has with other values at that time.
Never:    reads more of the store than the time that a chunk covers.    Spec: 2.1; DESIGN 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from tradecore.storage.importing.event_order import Identity, describe_difference, find_identity, is_same
from tradecore.storage.importing.read_tally import NumberedEvent, ReadTally
from tradecore.storage.market_data_storage import MarketDataStorage, MarketEvent, Series, SeriesInfo


class StoreConflicts:
    """Compares chunk by chunk. Made once per import with what the store holds at its beginning."""

    def __init__(self, storage: MarketDataStorage, infos: Sequence[SeriesInfo]) -> None:
        self._storage = storage
        self._infos = {info.series: info for info in infos}

    async def check(self, chunk: Sequence[NumberedEvent], tally: ReadTally) -> None:
        """Note every event of the chunk that the store contradicts."""
        if not self._infos:
            return
        by_series: dict[Series, list[NumberedEvent]] = {}
        for row in chunk:
            if find_identity(row[1]) is not None:  # ticks without an id contradict nothing
                by_series.setdefault(Series.of(row[1]), []).append(row)
        for series, rows in by_series.items():
            info = self._infos.get(series)
            times = [event.ts_event for _, event in rows]
            if info is not None and min(times) <= info.last_ns and max(times) >= info.first_ns:
                known = await self._load_known(series, min(times), max(times))
                for line, event in rows:
                    identity = find_identity(event)
                    stored = known.get(identity) if identity is not None else None
                    if stored is not None and not is_same(stored, event):
                        what = describe_difference(stored, event)
                        tally.add_problem(line, f"the store has {series} with other values: {what}")

    async def _load_known(self, series: Series, start_ns: int, end_ns: int) -> dict[Identity, MarketEvent]:
        known: dict[Identity, MarketEvent] = {}
        async with aclosing(self._storage.read(series, start_ns, end_ns)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                for event in batch:
                    identity = find_identity(event)
                    if identity is not None:
                        known[identity] = event
        return known
