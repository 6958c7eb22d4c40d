"""SeriesSurvey: what the files of an import hold, series by series, gathered while they are checked.

Receives: chunks of checked events.
Gives:    rows, first and last time of each series; the decimal grid that its first prices and sizes lie on; series
          whose bars lie closer together than they are long.
Never:    keeps events.    Spec: 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final

from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import SECOND_NS
from tradecore.storage.importing.import_report import SeriesImported
from tradecore.storage.importing.read_tally import NumberedEvent
from tradecore.storage.market_data_storage import MarketEvent, Series, Span

# Enough rows to meet every digit that a price of the series has; looking at all would cost more than reading them.
_ROWS_LOOKED_AT: Final = 2_000

_PRICE_FIELDS: Final = {"bar": ("open", "close"), "trade_tick": ("price",), "quote_tick": ("bid_price", "ask_price")}
_SIZE_FIELDS: Final = {"bar": ("volume",), "trade_tick": ("size",), "quote_tick": ("bid_size", "ask_size")}


class _Entry:
    __slots__ = (
        "first_ns", "last_ns", "narrow", "narrowest_ns", "price_exponent", "rows", "size_exponent", "step_ns"
    )  # fmt: skip

    def __init__(self, at_ns: int, step_ns: int) -> None:
        self.rows = 0
        self.step_ns = step_ns  # of bars of a length, else 0
        self.narrow = 0  # bars that end less than a step after the one before
        self.narrowest_ns = step_ns
        self.first_ns = self.last_ns = at_ns
        self.price_exponent: int | None = None
        self.size_exponent: int | None = None


class SeriesSurvey:
    """Gathers over all files of an import."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, object], _Entry] = {}
        self.rows = 0

    def add(self, chunk: Sequence[NumberedEvent]) -> None:
        """Take in a chunk of events in order of time."""
        self.rows += len(chunk)
        groups: dict[tuple[str, object], list[MarketEvent]] = {}
        for _, event in chunk:
            groups.setdefault((event.event_type, event.series), []).append(event)
        for key, events in groups.items():
            entry = self._entries.get(key)
            if entry is None:
                step_ns = key[1].step_ns if isinstance(key[1], BarType) else 0
                entry = self._entries[key] = _Entry(events[0].ts_event, step_ns)
            if entry.step_ns:
                _measure(entry, [entry.last_ns, *(event.ts_event for event in events)])
            entry.first_ns = min(entry.first_ns, events[0].ts_event)
            entry.last_ns = max(entry.last_ns, events[-1].ts_event)
            for event in events[: max(_ROWS_LOOKED_AT - entry.rows, 0)]:
                _look_at(entry, event)
            entry.rows += len(events)

    def spans(self) -> list[tuple[Series, Span]]:
        """The stretch of time that the files cover of each series."""
        return [(entry.series, Span(entry.first_ns, entry.last_ns)) for entry in self.report()]

    def list_overlaps(self) -> list[str]:
        """Series most of whose bars would overlap: the file holds shorter bars than its bar type says.

        A few may: the bars around a change of the clock, or a day of shorter hours.
        """
        return [
            f"most bars of {key} would overlap: rows are {_format_step(entry.narrowest_ns)} apart, the bar type says "
            f"{_format_step(entry.step_ns)}; correct the step of bar_type (--bar-type)"
            for (_, key), entry in self._entries.items()
            if entry.narrow * 2 > entry.rows - 1
        ]

    def report(self) -> tuple[SeriesImported, ...]:
        """What was found, ordered by kind and name."""
        found = [
            SeriesImported(
                Series(kind, str(key)),
                entry.rows,
                entry.first_ns,
                entry.last_ns,
                _grid(entry.price_exponent),
                _grid(entry.size_exponent),
            )
            for (kind, key), entry in self._entries.items()
        ]
        return tuple(sorted(found, key=lambda entry: entry.series))


def _measure(entry: _Entry, times: list[int]) -> None:
    for before, after in pairwise(times):
        if 0 < (after - before) * 10 < entry.step_ns * 9:  # what rounding takes off is no overlap
            entry.narrow += 1
            entry.narrowest_ns = min(entry.narrowest_ns, after - before)


def _format_step(step_ns: int) -> str:
    return f"{step_ns / SECOND_NS:,.10g} s"


def _look_at(entry: _Entry, event: MarketEvent) -> None:
    kind = event.event_type
    for name in _PRICE_FIELDS.get(kind, ()):
        entry.price_exponent = _finer(entry.price_exponent, getattr(event, name))
    for name in _SIZE_FIELDS.get(kind, ()):
        size = getattr(event, name)
        if size:  # nothing lies on every grid, and stands for "unknown" too
            entry.size_exponent = _finer(entry.size_exponent, size)


def _finer(exponent: int | None, value: float) -> int:
    """The smaller of an exponent and that of the last digit of a value's shortest decimal text, at most 0."""
    own = Decimal(repr(value)).normalize().as_tuple().exponent
    assert isinstance(own, int), "checked events hold finite numbers"
    return min(own, 0) if exponent is None else min(own, exponent)


def _grid(exponent: int | None) -> Decimal | None:
    return None if exponent is None else Decimal(1).scaleb(exponent)
