"""MarketDataStorage: the contract of every store of market events.

Receives: checked market events, in any order, whole instants at a time; instruments.
Gives:    batches of the same event objects in order of event time, bit for bit and to the nanosecond; what it holds
          (series, spans) and what is wrong with it (gaps, duplicates, disorder).
Never:    drops or rounds; never holds back an event because another one looks like it.    Spec: 2.1; DESIGN 7.

Every implementation passes the one suite in tradecore/testing/storage_contract.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.domain.instrument import Instrument
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick

MarketEvent = Bar | TradeTick | QuoteTick | DepthSnapshot

EVENT_CLASSES: Final[dict[str, type]] = {
    "bar": Bar,
    "trade_tick": TradeTick,
    "quote_tick": QuoteTick,
    "depth": DepthSnapshot,
}

DEFAULT_BATCH: Final = 1_024


class Series(msgspec.Struct, frozen=True, order=True):
    """A series of market events of one kind and one instrument (or bar type).

    kind: "bar", "trade_tick", "quote_tick" or "depth". name: the bar type's name, else the instrument id.
    """

    kind: str
    name: str

    @property
    def instrument(self) -> str:
        """Instrument id of the series."""
        return BarType.parse(self.name).instrument if self.kind == "bar" else self.name

    @property
    def key(self) -> BarType | str:
        """What `event.series` is for the events of this series."""
        return BarType.parse(self.name) if self.kind == "bar" else self.name

    @classmethod
    def of(cls, event: MarketEvent) -> Series:
        """The series that an event belongs to."""
        return cls(event.event_type, str(event.series))

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class SeriesInfo(msgspec.Struct, frozen=True):
    """What a store holds of a series: number of rows, first and last event time (int nanoseconds)."""

    series: Series
    rows: int
    first_ns: int
    last_ns: int


class Span(msgspec.Struct, frozen=True):
    """A stretch of time that was loaded, both ends included; a quiet stretch inside a span is no gap."""

    start_ns: int
    end_ns: int


class Appended(msgspec.Struct, frozen=True):
    """What an append did: events added, and events that were there before."""

    added: int
    known: int


class Gap(msgspec.Struct, frozen=True):
    """A stretch of a bar series in which bars are missing inside what the store says it covers.

    after_ns, before_ns: ends of the bars around it. missing: how many bars of the step would fit.
    """

    after_ns: int
    before_ns: int
    missing: int


class VerifyReport(msgspec.Struct, frozen=True):
    """What `verify` found in a series. is_sound: no disorder, no duplicates, no rows that fail their checks.

    Gaps are reported and do not make a series unsound: a market may close. gaps holds the largest ones, at most 1,000;
    gap_count counts all. duplicates: rows of equal identity that identity forbids (bars of one end, ids seen twice).
    disorder: rows whose received time runs backwards. invalid: rows that fail `check()`, described, at most 100.
    """

    series: Series
    rows: int
    gaps: tuple[Gap, ...]
    gap_count: int
    duplicates: int
    disorder: int
    invalid: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """True when every row may be trusted."""
        return not (self.duplicates or self.disorder or self.invalid)


class MarketDataStorage(Protocol):
    """A store of market events. Opened and closed by who owns it, best with `open_storage(url)`.

    Cancellation: a cancelled append has appended everything or nothing. Closing is idempotent. One store object
    belongs to one event loop; several readers may be open at once.
    """

    url: str

    async def connect(self) -> None:
        """Open, creating it if it does not exist. Raises: StorageUnavailable, StorageSchemaNewer."""
        ...

    async def disconnect(self) -> None:
        """Close; idempotent."""
        ...

    async def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Add or replace instruments by id."""
        ...

    async def list_instruments(self) -> list[Instrument]:
        """All instruments, by id."""
        ...

    async def append(self, events: Sequence[MarketEvent]) -> Appended:
        """Add events, as one unit; idempotent by identity (DESIGN 7).

        Identity: the venue's trade id (TradeTick.trade_id), or sequence > 0 (quotes, depth); bar type and end (bars);
        else (series, ts_event, content, ordinal among equals): whole instants are given, and of k equals here and m in
        the input, max(0, m - k) are added. Every event is checked first (`event.check()`).
        Raises: InvalidEvent; StorageConflict for a bar or an id that is there with other values. Nothing is added then.
        """
        ...

    def read(
        self, series: Series, start_ns: int = MIN_NS, end_ns: int = MAX_NS, *, batch_size: int = DEFAULT_BATCH
    ) -> AsyncIterator[list[MarketEvent]]:
        """Batches of 1..batch_size events with start_ns <= ts_event <= end_ns, in order of (ts_event, appended).

        Close it with `aclose()` when it is left early. Raises: SeriesNotFound at the first step. What an iterator may
        say beside, for speed: its `next_ns`, the time of the event after the newest batch (None: not known); an
        EventBatch, which is a list with times and columns.
        """
        ...

    async def list_series(self) -> list[SeriesInfo]:
        """What it holds, ordered by kind and name."""
        ...

    async def covered_spans(self, series: Series) -> list[Span]:
        """Stretches that were loaded, joined where they touch, in order of time. Raises: SeriesNotFound."""
        ...

    async def add_span(self, series: Series, span: Span) -> None:
        """Note that a stretch is covered although nothing may have happened in it (append notes first..last itself)."""
        ...

    async def verify(self, series: Series) -> VerifyReport:
        """Read the whole series and say what is wrong with it. Raises: SeriesNotFound."""
        ...
