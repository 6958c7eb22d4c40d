"""SeamSchedule: what goes wrong between history and live, when and how, all from one integer; and a venue that does it.

Receives: a seed; phases as they begin.
Gives:    settings of a run, a market that lasts a few minutes of virtual time with faults in the phases they are meant
          for, counts of what met which phase.
Never:    looks at a real clock, or strikes where it cannot be felt: a fault is counted when it took effect.
          RELIABILITY 7.2; issue 4 ("1,000 seeded fault schedules").
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import anyio
import msgspec

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.phase import Phase
from tradecore.domain.stream import Stream
from tradecore.feeds.spill_file import SpillFile
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick
from tradecore.testing.object_venue import ObjectVenue
from tradecore.testing.virtual_clock import VirtualClock

INSTRUMENT: Final = "TEST.SIM"
TRADES: Final = Stream("trade_tick", INSTRUMENT)
QUOTES: Final = Stream("quote_tick", INSTRUMENT)
BARS: Final = Stream("bar", f"{INSTRUMENT} 1m last")
STREAMS: Final = (TRADES, QUOTES, BARS)

FAULTS: Final = (
    "disconnect", "lose", "repeat", "late", "history_lags", "history_slow", "history_fails", "full_memory", "full_disk",
)  # fmt: skip

CELLS: Final = tuple((fault, phase) for fault in FAULTS for phase in Phase)
"""Which fault meets which phase; a test sees to it that all are hit."""

PEACE_S: Final = 240.0
"""Seconds at the end without faults, in which each stream has a next event and each question its answer."""

_PAST_S: Final = 90.0


class SeamSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """One run. focus: the cell that this schedule is made for. faults: kinds that strike, in every phase.

    capacity: of the LiveBuffer, arrivals. block: arrivals written to its file at once. page_rows, page_s: of history:
    rows of a page, seconds each takes. ack_s: seconds until a subscription is acknowledged. replay_s, catch_up_s: what
    a callback takes in B and in C; stall_s: what every fortieth takes in D. stored: trades that the store has
    beforehand. market_s: how long faults go on.
    """

    seed: int
    focus: tuple[str, Phase]
    faults: frozenset[str]
    capacity: int
    block: int
    page_rows: int
    page_s: float
    ack_s: float
    replay_s: float
    catch_up_s: float
    stall_s: float
    stored: int
    market_s: float


def draw_schedule(seed: int) -> SeamSchedule:
    """The schedule of a seed: its cell by turns, so that so many seeds as there are cells meet all; the rest drawn."""
    rng = random.Random(seed)  # noqa: S311  (a test's draws)
    fault, phase = focus = CELLS[seed % len(CELLS)]
    faults = {fault, *(other for other in FAULTS if rng.random() < 0.3)}
    if "full_disk" in faults:
        faults.add("full_memory")
    return SeamSchedule(
        seed=seed,
        focus=focus,
        faults=frozenset(faults),
        capacity=rng.choice((4, 16)) if "full_memory" in faults else 10_000,
        block=rng.choice((4, 8)),
        page_rows=rng.choice((5, 40, 1_000)),
        page_s=rng.choice((0.2, 1.0)) if "history_slow" in faults else 0.0,
        ack_s=rng.choice((0.5, 2.0)) if phase is Phase.A_SUBSCRIBE else rng.choice((0.0, 0.5)),
        replay_s=0.05 if phase in (Phase.B_REPLAY, Phase.C_CATCH_UP) else rng.choice((0.0, 0.02)),
        catch_up_s=0.04 if phase is Phase.C_CATCH_UP else rng.choice((0.0, 0.02)),
        stall_s=5.0 if phase is Phase.D_LIVE else rng.choice((0.0, 0.0, 2.0)),
        stored=rng.choice((0, 20, 1_000)),
        market_s=60.0 + 60.0 * rng.random(),
    )


def format_coverage(met: Counter[tuple[str, Phase]]) -> str:
    """A table: how often each fault took effect in each phase."""
    lines = [f"{'fault':14}" + "".join(f"{phase.value:>9}" for phase in Phase)]
    lines += [f"{fault:14}" + "".join(f"{met[fault, phase]:>9,}" for phase in Phase) for fault in FAULTS]
    return "\n".join(lines)


class FaultyVenue(ObjectVenue):
    """An ObjectVenue whose acknowledgements and history take time. met: what it did wrong, by fault and phase."""

    def __init__(self, clock: VirtualClock, schedule: SeamSchedule) -> None:
        super().__init__(clock, STREAMS, name="sim", page_rows=schedule.page_rows)
        self.phase = Phase.A_SUBSCRIBE
        self.met: Counter[tuple[str, Phase]] = Counter()
        self._schedule = schedule

    def note(self, fault: str) -> None:
        """A fault took effect."""
        self.met[fault, self.phase] += 1

    async def subscribe(self, stream: Stream) -> None:
        """Acknowledged later."""
        await anyio.sleep(self._schedule.ack_s)
        await super().subscribe(stream)

    async def read_history(
        self, stream: Stream, *, start: int, end: int, from_id: int | None = None
    ) -> AsyncIterator[Sequence[Any]]:
        """Page by page, each in its time."""
        if self.failures:
            self.note("history_fails")
        if self.history_lag and any(
            start <= event.ts_event <= end for event in self.truth[stream][-self.history_lag :]
        ):
            self.note("history_lags")
        async for page in super().read_history(stream, start=start, end=end, from_id=from_id):
            if self._schedule.page_s:
                self.note("history_slow")
                await anyio.sleep(self._schedule.page_s)
            yield page


class FaultyMarket:
    """Publishes trades, quotes and closed minutes, by the schedule's faults; `run` until its peace is over."""

    def __init__(self, venue: FaultyVenue, clock: VirtualClock, schedule: SeamSchedule) -> None:
        self._venue, self._clock, self._schedule = venue, clock, schedule
        self._rng = random.Random(schedule.seed + 1)  # noqa: S311  (as above)
        self._number = 0
        self._minute_ns = (clock.wall_ns() // MINUTE_NS + 1) * MINUTE_NS
        self._late: list[tuple[Stream, Any]] = []
        self._lost_until_ns = 0

    def make_past(self) -> None:
        """What happened before the run began: some ninety seconds, a trade and a quote each half second."""
        now = self._clock.wall_ns()
        begin = now - int(_PAST_S * SECOND_NS)
        first_minute = (begin // MINUTE_NS + 1) * MINUTE_NS
        for ts in range(begin, now, SECOND_NS // 2):
            if ts >= first_minute:
                self._venue.truth[BARS].append(self._make_bar(first_minute))
                first_minute += MINUTE_NS
            self._venue.truth[TRADES].append(self._make_trade(ts))
            self._venue.truth[QUOTES].append(self._make_quote(ts))
        self._minute_ns = first_minute

    async def run(self) -> None:
        """Faults, then peace."""
        end_ns = self._clock.wall_ns() + int(self._schedule.market_s * SECOND_NS)
        while self._clock.wall_ns() < end_ns:
            self._strike()
            self._happen()
            await anyio.sleep(self._rng.choice((0.02, 0.05, 0.1, 0.3)))
        self._calm()
        end_ns += int(PEACE_S * SECOND_NS)
        while self._clock.wall_ns() < end_ns:
            self._happen()
            await anyio.sleep(5)

    # ------------------------------------------------------------------------------------------------------- events

    def _happen(self) -> None:
        now = self._clock.wall_ns()
        if now >= self._minute_ns:
            self._publish(BARS, self._make_bar(self._minute_ns))
            self._minute_ns += MINUTE_NS
        self._publish(TRADES, self._make_trade(now))
        self._publish(QUOTES, self._make_quote(now))
        while self._late and self._rng.random() < 0.5:
            stream, event = self._late.pop(0)
            if self._is_felt(stream):
                self._venue.note("late")
            self._venue.send(stream, event)

    def _publish(self, stream: Stream, event: Any) -> None:
        # A lost value of a state leaves no trace that anyone could declare: only its connection can be lost.
        words = ("lose", "repeat", "late") if stream.has_identity else ("repeat",)
        kinds = [kind for kind in words if kind in self._schedule.faults and self._is_at_war]
        fault = self._rng.choice([*kinds, "none", "none", "none", "none"])
        if fault in ("lose", "repeat") and self._is_felt(stream):
            self._venue.note(fault)
        self._venue.publish(stream, event, lost=fault in ("lose", "late"), copies=2 if fault == "repeat" else 1)
        if fault == "late":
            self._late.append((stream, event))

    def _is_felt(self, stream: Stream) -> bool:
        return self._venue.is_connected and stream in self._venue.subscribed

    def _make_trade(self, ts: int) -> Any:
        self._number += 1
        return make_trade_tick(ts, 100.0 + self._rng.randint(0, 5), trade_id=str(self._number))

    def _make_quote(self, ts: int) -> Any:
        return make_quote_tick(ts, 99.0, 100.0 + self._rng.randint(0, 2), sequence=self._number)

    def _make_bar(self, end_ns: int) -> Any:
        return make_bar(end_ns, 100.0 + self._rng.randint(0, 5))

    # ------------------------------------------------------------------------------------------------------- faults

    _is_at_war = True

    def _strike(self) -> None:
        """Faults of the connection and of history; more often in the phase that this schedule is made for."""
        venue, rng, faults = self._venue, self._rng, self._schedule.faults
        eager = 8 if venue.phase is self._schedule.focus[1] else 1
        now = self._clock.wall_ns()
        if not venue.is_connected:
            if now >= self._lost_until_ns:
                venue.reconnect()
        elif "disconnect" in faults and venue.subscribed and rng.random() < 0.01 * eager:
            venue.note("disconnect")
            venue.disconnect()
            self._lost_until_ns = now + int(rng.choice((0.2, 1.0, 5.0)) * SECOND_NS)
        if "history_lags" in faults and rng.random() < 0.1:
            venue.history_lag = rng.choice((0, 1, 5, 30))
        if "history_fails" in faults and rng.random() < 0.02 * eager:
            venue.failures = min(venue.failures + 1, 2)

    def _calm(self) -> None:
        self._is_at_war = False
        self._venue.history_lag = self._venue.failures = 0
        if not self._venue.is_connected:
            self._venue.reconnect()
        self._late.clear()


class WatchedSpill(SpillFile):
    """The buffer's file, in memory: counts what is written in which phase, and is full after some blocks if so made."""

    name = "a file in memory"

    def __init__(self, venue: FaultyVenue, blocks_max: int | None) -> None:
        self._venue, self._blocks_max = venue, blocks_max
        self._blocks: list[bytes] = []

    def append(self, block: bytes) -> int:
        """Place of the block. Raises: OSError when it is full."""
        self._venue.note("full_memory")
        if self._blocks_max is not None and len(self._blocks) >= self._blocks_max:
            self._venue.note("full_disk")
            raise OSError(28, "No space left on device")
        self._blocks.append(block)
        return len(self._blocks) - 1

    def read(self, place: int, length: int) -> bytes:
        """A block."""
        return self._blocks[place][:length]

    def clear(self) -> None:
        """Forget all blocks."""
        self._blocks.clear()

    def close(self) -> None:
        """Nothing is open."""
        self._blocks.clear()
