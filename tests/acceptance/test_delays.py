"""A delay on one of two feeds: delivered by received time, brokers undelayed, nothing seen early.    EXECUTION 11."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.delay_law import ConstantDelay, DelayLaw, LognormalDelay
from tradecore.domain.instant import SECOND_NS
from tradecore.storage.memory_storage import MemoryStorage
from tradecore.testing.builders import make_instrument, make_ns, make_quote_tick, make_trade_tick

T0 = make_ns("2024-01-01T00:00")
BATCH_SIZES = (1, 2, 16, 1_024)


def at(second: float) -> int:
    return T0 + round(second * SECOND_NS)


# Quotes of QUOTES.X at 1, 3, 5 ... 19 s, falling by a cent each; trades of TRADES.X at every second from 1 to 20.
QUOTES = [
    make_quote_tick(at(1 + 2 * n), 100.0 - n / 100, 100.01 - n / 100, ask_size=50.0, instrument="QUOTES.X")
    for n in range(10)
]
TRADES = [make_trade_tick(at(1 + n), 50.0, 1.0, instrument="TRADES.X") for n in range(20)]


class Watcher(tc.Strategy):
    """Bids 99.97 for QUOTES.X at the first trade; writes down in seconds what it hears, and what that was about."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, float]] = []
        self.position_known: dict[float, Decimal] = {}

    def on_start(self) -> None:
        self.subscribe_to_quotes("QUOTES.X")
        self.subscribe_to_trades("TRADES.X")
        self.add_repeating_timer("timer", 4 * SECOND_NS, start=T0)

    def note(self, word: str, ts_event: int, ts_received: int) -> None:
        assert self.now_ns == ts_received
        assert ts_received >= ts_event
        self.heard.append(((self.now_ns - T0) / SECOND_NS, word, (ts_event - T0) / SECOND_NS))

    def on_event(self, event: Any) -> None:
        self.note(event.event_type, event.ts_event, event.ts_received)

    def on_trade_tick(self, tick: tc.TradeTick) -> None:
        if tick.ts_event == at(1):
            self.submit_order(tc.Order.limit("QUOTES.X", 1, "99.97"))
        self.position_known[(self.now_ns - T0) / SECOND_NS] = self.position("QUOTES.X").quantity

    def on_execution(self, execution: tc.Execution) -> None:
        self.note("execution", execution.ts_event, self.now_ns)


async def run(law: DelayLaw, batch_size: int) -> tuple[Watcher, dict[str, str]]:
    storage = MemoryStorage()
    await storage.connect()
    await storage.append([*QUOTES, *TRADES])
    strategy = Watcher()
    result = await tc.run_backtest(
        strategies=strategy,
        brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)})},
        storage=storage,
        instruments=[make_instrument("QUOTES.X"), make_instrument("TRADES.X")],
        batch_size=batch_size,
        delays={"quote_tick": law},
        start=T0,
        end=at(30),
        seed=5,
    )
    return strategy, result.digests


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
async def test_a_quote_that_is_heard_late_executes_at_its_venue_on_time(batch_size: int) -> None:
    strategy, _ = await run(ConstantDelay(ms=2_500), batch_size)
    # The ask falls from 100.01 by a cent every two seconds: the quote of second 9 offers 99.97, what the bid waits for.
    # The venue executes then; the report takes no time; the quote itself is heard at 11.5.
    assert (9.0, "execution", 9.0) in strategy.heard
    assert (11.5, "quote_tick", 9.0) in strategy.heard
    assert {second: held for second, held in strategy.position_known.items() if held} == {
        float(second): Decimal(1) for second in range(9, 21)
    }


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
async def test_delivery_is_in_the_order_of_received_times(batch_size: int) -> None:
    strategy, _ = await run(ConstantDelay(ms=2_500), batch_size)
    expected = [(second, "trade_tick", second) for second in map(float, range(1, 21))]
    expected += [(3.5 + 2 * n, "quote_tick", 1.0 + 2 * n) for n in range(10)]
    expected += [(4.0 * n, "time_event", 4.0 * n) for n in range(8)]
    # At one instant the trade comes before the timer; the report of second 9 before the trade of second 9.
    rank = {"execution": 0, "trade_tick": 1, "time_event": 2}
    expected = sorted([*expected, (9.0, "execution", 9.0)], key=lambda heard: (heard[0], rank.get(heard[1], 0)))
    assert strategy.heard == expected


async def test_a_drawn_delay_is_the_same_at_every_batch_size() -> None:
    law = LognormalDelay(median_ms=1_500, sigma=1.2)
    heard = [(strategy.heard, digests) for strategy, digests in [await run(law, size) for size in BATCH_SIZES]]
    assert all(each == heard[0] for each in heard)
    late = [now - ts for now, word, ts in heard[0][0] if word == "quote_tick"]
    assert len(late) == 10
    assert len(set(late)) > 5  # drawn, each on its own
    assert min(late) >= 0
    quotes = [ts for _, word, ts in heard[0][0] if word == "quote_tick"]
    assert quotes == sorted(quotes)  # a line delivers in order


async def test_without_the_delay_the_order_at_the_venue_is_the_same() -> None:
    """A delay is on the way to the strategy only: an order that rested before executes as it did."""
    delayed, _ = await run(ConstantDelay(ms=2_500), 16)
    prompt, _ = await run(ConstantDelay(ms=0), 16)
    assert [heard for heard in delayed.heard if heard[1] == "execution"] == [
        heard for heard in prompt.heard if heard[1] == "execution"
    ]
