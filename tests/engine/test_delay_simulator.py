"""DelaySimulator: later, never earlier; in order within a series; the same however the series is cut."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.delay_law import ConstantDelay, DelayLaw, LognormalDelay, NormalDelay
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.errors import ConfigError
from tradecore.feeds.merge import Envelope
from tradecore.testing.builders import make_bar, make_depth, make_ns, make_quote_tick, make_trade_tick

MS = 1_000_000
LAWS: list[DelayLaw] = [
    ConstantDelay(ms=3.5),
    NormalDelay(mean_ms=5, sd_ms=10),
    NormalDelay(mean_ms=5, sd_ms=10, min_ms=1, max_ms=8),
    LognormalDelay(median_ms=2, sigma=1.5),
]


@pytest.mark.parametrize("make", [make_bar, make_trade_tick, make_quote_tick, make_depth])
def test_a_constant_delay_moves_the_received_time_and_nothing_else(make: Any) -> None:
    event = make(10 * MS, flags=4)
    delays = DelaySimulator({event.event_type: ConstantDelay(ms=2)}, seed=1)
    (late,) = delays.apply("s", [event])
    assert late == make(10 * MS, received=12 * MS, flags=4)
    assert event.ts_received == 10 * MS


def test_without_a_law_the_very_same_list_comes_back() -> None:
    bars = [make_bar(1), make_bar(2)]
    for laws in ({}, {"bar": ConstantDelay(ms=0)}, {"trade_tick": ConstantDelay(ms=5)}):
        delays = DelaySimulator(laws, seed=1)
        assert delays.apply("s", bars) is bars
    assert not DelaySimulator({"bar": ConstantDelay(ms=0)}, seed=1).is_active
    delays = DelaySimulator({"trade_tick": ConstantDelay(ms=5)}, seed=1)
    assert delays.is_active
    assert delays.delays("trade_tick")
    assert not delays.delays("bar")
    empty: list[Any] = []
    assert delays.apply("s", empty) is empty


def test_a_short_delay_waits_for_the_long_one_before_it() -> None:
    """A line delivers in order: what is sent later is not heard earlier."""
    law = NormalDelay(mean_ms=50, sd_ms=40)
    ticks = [make_trade_tick(n * MS) for n in range(200)]
    late = DelaySimulator({"trade_tick": law}, seed=3).apply("TEST.SIM", ticks)
    received = [tick.ts_received for tick in late]
    assert received == sorted(received)
    # Delays of 50 +- 40 ms on ticks 1 ms apart must make some wait: else nothing was tested.
    assert len(set(received)) < len(received)


def test_events_that_were_already_received_late_are_delayed_from_there() -> None:
    late = DelaySimulator({"bar": ConstantDelay(ms=2)}, seed=1).apply("s", [make_bar(MS, received=5 * MS)])
    assert late[0].ts_received == 7 * MS


def test_another_seed_or_series_or_instant_draws_another_delay() -> None:
    law = {"trade_tick": LognormalDelay(median_ms=20, sigma=1)}
    ticks = [make_trade_tick(10**15)]

    def delay(seed: int, series: str, events: list[Any]) -> int:
        return int(DelaySimulator(law, seed).apply(series, events)[0].ts_received) - int(events[0].ts_event)

    base = delay(1, "A.SIM", ticks)
    assert base == delay(1, "A.SIM", ticks)
    assert len({base, delay(2, "A.SIM", ticks), delay(1, "B.SIM", ticks), delay(1, "A.SIM", [make_trade_tick(1)])}) == 4


def test_equal_times_draw_by_their_ordinal() -> None:
    """Otherwise a burst of one instant would move as one."""
    law = {"trade_tick": LognormalDelay(median_ms=20, sigma=2)}
    late = DelaySimulator(law, 5).apply("A.SIM", [make_trade_tick(10**15) for _ in range(50)])
    assert len({tick.ts_received for tick in late}) > 3


def test_series_and_kinds_do_not_hold_each_other_back() -> None:
    delays = DelaySimulator({"trade_tick": ConstantDelay(ms=5), "quote_tick": ConstantDelay(ms=1)}, seed=1)
    assert delays.apply("A.SIM", [make_trade_tick(100 * MS)])[0].ts_received == 105 * MS
    assert delays.apply("B.SIM", [make_trade_tick(10 * MS)])[0].ts_received == 15 * MS
    assert delays.apply("A.SIM", [make_quote_tick(10 * MS)])[0].ts_received == 11 * MS


def test_a_mixed_batch_is_delayed_by_the_law_of_each_type() -> None:
    delays = DelaySimulator({"trade_tick": ConstantDelay(ms=5)}, seed=1)
    quote, trade = make_quote_tick(1), make_trade_tick(2)
    late = delays.apply("mixed", [quote, trade, quote])
    assert late[0] is quote
    assert late[1].ts_received == 2 + 5 * MS
    assert late[2] is quote


@dataclass(frozen=True)
class News:
    dt_event: datetime
    dt_received: datetime
    event_type: str = "news"


class Opaque:
    event_type = "news"
    dt_event = dt_received = datetime(2024, 1, 1, tzinfo=UTC)


def test_a_users_own_event_is_delayed_in_its_envelope_and_shows_it_where_it_can() -> None:
    at, moment = make_ns("2024-01-01T00:00"), datetime(2024, 1, 1, tzinfo=UTC)
    delays = DelaySimulator({"news": ConstantDelay(ms=250)}, seed=1)
    opaque = Opaque()
    events = [Envelope(at, at, event, (4, 0, "news", 1), None) for event in (News(moment, moment), opaque)]
    late = delays.apply("news", events)
    assert [e.ts_received for e in late] == [at + 250 * MS] * 2
    assert late[0].event == News(moment, moment.replace(microsecond=250_000))
    assert late[1].event is opaque
    assert (late[0].ts_event, late[0].rank) == (at, (4, 0, "news", 1))
    assert events[0].ts_received == at


def test_a_market_event_in_an_envelope_is_delayed_inside_and_outside() -> None:
    delays = DelaySimulator({"bar": ConstantDelay(ms=1)}, seed=1)
    (late,) = delays.apply("second feed", [Envelope(5, 5, make_bar(5), (3, 0, "x", 2), None)])
    assert (late.ts_received, late.event.ts_received) == (5 + MS, 5 + MS)


def test_a_law_on_timers_is_refused() -> None:
    with pytest.raises(ConfigError, match="time_event: timers"):
        DelaySimulator({"time_event": ConstantDelay(ms=1)}, seed=1)


def test_a_fork_gives_another_reader_of_the_series_the_same_delays() -> None:
    delays = DelaySimulator({"trade_tick": NormalDelay(mean_ms=5, sd_ms=3)}, seed=9)
    ticks = [make_trade_tick(n * MS) for n in range(50)]
    first = delays.apply("A.SIM", ticks)
    assert delays.fork().apply("A.SIM", ticks) == first


@pytest.mark.parametrize("law", LAWS)
@given(gaps=st.lists(st.integers(0, 3 * MS), min_size=1, max_size=40), size=st.integers(1, 7))
def test_cutting_a_series_into_batches_changes_no_delay(law: DelayLaw, gaps: list[int], size: int) -> None:
    """Delays are >= 0, whole microseconds, in order, and the same at every batch size."""
    now, ticks = 1_700_000_000 * 10**9, []
    for gap in gaps:
        now += gap - gap % 1_000
        ticks.append(make_trade_tick(now))
    whole = DelaySimulator({"trade_tick": law}, seed=11).apply("A.SIM", ticks)
    parted = DelaySimulator({"trade_tick": law}, seed=11)
    late: list[Any] = []
    for first in range(0, len(ticks), size):
        late += parted.apply("A.SIM", ticks[first : first + size])
    assert late == whole
    assert [t.ts_received for t in late] == sorted(t.ts_received for t in late)
    assert all(a.ts_received >= b.ts_received and a.ts_received % 1_000 == 0 for a, b in zip(late, ticks, strict=True))
    assert [t.ts_event for t in late] == [t.ts_event for t in ticks]
