"""No look-ahead: a run to t is a prefix of a longer one, noise after t changes nothing up to t, batches change nothing.

Random markets (quotes, trades, last bars, a pair of bid and ask bars, bars made by the run), random strategies that
decide from what they have seen, delays and latencies on and off. What on_stop does is outside the law.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import tradecore as tc
from tradecore.brokerage.settings import Latency, RateCommission, TickSlippage
from tradecore.domain.delay_law import ConstantDelay, DelayLaw, LognormalDelay
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.order import OrderType
from tradecore.storage.memory_storage import MemoryStorage
from tradecore.testing.builders import make_bar, make_instrument, make_quote_tick, make_trade_tick

T0 = 1_704_067_200 * SECOND_NS  # 2024-01-01T00:00:00Z
MINUTE_NS = 60 * SECOND_NS
MINUTES = 4
INSTRUMENTS = ("QUOTES.X", "TRADES.X", "BARS.X", "PAIR.X")
TICK = Decimal("0.01")

LAW = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# ---------------------------------------------------------------------------------------------------- random markets


def make_market(seed: int, first_ns: int = T0, last_ns: int = T0 + MINUTES * MINUTE_NS) -> list[Any]:
    """Events with first_ns < ts_event <= last_ns. Whole seconds: equal instants are where it matters."""
    draw = Random(seed)
    events: list[Any] = []
    price = 100.0
    for second in range((last_ns - first_ns) // SECOND_NS):
        at = first_ns + (second + 1) * SECOND_NS
        price = round(price + draw.choice((-0.03, -0.01, 0.0, 0.0, 0.01, 0.03)), 2)
        for _ in range(draw.choice((0, 0, 0, 1, 1, 2))):
            # Now and then crossed, and off the increment: what comes from a market need not be tidy.
            bid = round(price - draw.choice((0.01, 0.02, 0.005, -0.01)), 3)
            events.append(make_quote_tick(at, bid, round(price + 0.01, 2), bid_size=float(draw.randint(1, 9)),
                                          ask_size=float(draw.randint(1, 9)), instrument="QUOTES.X"))  # fmt: skip
        for _ in range(draw.choice((0, 0, 1, 2))):
            size, side = float(draw.randint(1, 40)), draw.choice(list(tc.Aggressor))
            events.append(make_trade_tick(at, round(price + draw.choice((0.0, 0.02)), 2), size, aggressor=side,
                                          instrument="TRADES.X"))  # fmt: skip
    for series, shift in (("BARS.X 1m last", 0.0), ("PAIR.X 1m bid", -0.01), ("PAIR.X 1m ask", 0.01)):
        walk = Random(f"{seed} {series[:4]}")  # the two sides of the pair walk together
        close = 100.0
        for minute in range(first_ns // MINUTE_NS + 1, last_ns // MINUTE_NS + 1):
            opened = round(close + walk.choice((-0.02, 0.0, 0.02)), 2)
            close = round(opened + walk.choice((-0.05, -0.01, 0.01, 0.05)), 2)
            high, low = max(opened, close) + walk.choice((0.0, 0.03)), min(opened, close) - walk.choice((0.0, 0.03))
            events.append(make_bar(minute * MINUTE_NS, close + shift, open=opened + shift, high=high + shift,
                                   low=low + shift, volume=float(walk.randint(0, 300)), bar_type=series))  # fmt: skip
    return sorted(events, key=lambda made: made.ts_event)


def price_of(made: Any) -> float:
    for name in ("close", "price", "bid_price"):
        if hasattr(made, name):
            return float(getattr(made, name))
    raise AssertionError(f"an event without a price: {made!r}")


class RandomTrader(tc.Strategy):
    """Draws what to do from its seed, from how much it has heard and from the last prices it has seen."""

    def __init__(self, seed: int, *, asks: bool = False) -> None:
        self.seed, self.count, self.asks = seed, 0, asks
        self.answers: list[str] = []
        self.prices: dict[str, float] = {}

    def on_start(self) -> None:
        self.subscribe_to_quotes("QUOTES.X")
        self.subscribe_to_trades("TRADES.X")
        for series in ("BARS.X 1m last", "PAIR.X 1m bid", "PAIR.X 1m ask"):
            self.subscribe_to_bars(series)
        self.subscribe_to_bars("BARS.X 2m last", source="BARS.X 1m last")
        self.add_repeating_timer("timer", 7 * SECOND_NS)

    def on_event(self, event: Any) -> None:
        assert event.ts_received <= self.now_ns
        if event.event_type != "time_event":
            self.prices[event.instrument] = price_of(event)
        self.decide()

    def on_execution(self, execution: tc.Execution) -> None:
        assert execution.ts_event <= self.now_ns
        self.decide()

    def on_order_updated(self, update: tc.OrderUpdated) -> None:
        assert update.ts_event <= self.now_ns

    def on_position_changed(self, change: tc.PositionChanged) -> None:
        """In the trace only."""

    def decide(self) -> None:
        self.count += 1
        # As text: hashes of tuples may differ between interpreters.
        draw = Random(f"{self.seed} {self.count} {self.now_ns} {sorted(self.prices.items())}")
        if self.asks and self.count % 20 == 0:
            self.answers.append(f"{self.now_ns} {self.statistics.to_dict()}")
        if not self.prices or draw.random() > 0.2:
            return
        instrument = draw.choice(sorted(self.prices))
        working = [order for order in self.orders(instrument) if not order.pending_cancel]
        if working and draw.random() < 0.5:
            self.change(draw, draw.choice(working))
        else:
            self.submit(draw, instrument)

    def near(self, draw: Random, instrument: str) -> Decimal:
        price = Decimal(repr(self.prices[instrument])) + draw.randint(-5, 5) * TICK
        return price.quantize(TICK)

    def submit(self, draw: Random, instrument: str) -> None:
        quantity = Decimal(draw.choice((-12, -5, -1, 1, 5, 12)))
        price = self.near(draw, instrument)
        kind = draw.randrange(8)
        if kind == 0:
            self.submit_order(tc.Order.market(instrument, quantity))
        elif kind == 1:
            in_force = draw.choice((tc.TimeInForce.GTC, tc.TimeInForce.IOC, tc.TimeInForce.FOK))
            self.submit_order(tc.Order.limit(instrument, quantity, price, time_in_force=in_force))
        elif kind == 2:
            self.submit_order(tc.Order.limit(instrument, quantity, price))
        elif kind == 3:
            self.submit_order(tc.Order.stop(instrument, quantity, price))
        elif kind == 4:
            self.submit_order(tc.Order.stop_limit(instrument, quantity, price, self.near(draw, instrument)))
        elif kind == 5:
            self.submit_order(tc.Order.market_if_touched(instrument, quantity, price, reduce_only=draw.random() < 0.3))
        elif kind == 6:
            offset, activation = draw.randint(1, 4) * TICK, draw.choice((None, price))
            self.submit_order(tc.Order.trailing_stop(instrument, quantity, offset=offset, activation_price=activation))
        else:
            ends = self.get_current_time() + timedelta(seconds=draw.randint(1, 40))
            in_force = tc.TimeInForce.GTD
            self.submit_order(tc.Order.limit(instrument, quantity, price, time_in_force=in_force, expire_time=ends))

    def change(self, draw: Random, order: tc.Order) -> None:
        if draw.random() < 0.4:
            self.cancel_order(order)
        elif order.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) and draw.random() < 0.6:
            self.update_order(order, price=self.near(draw, order.instrument))
        else:
            self.update_order(order, quantity=order.filled_quantity + draw.randint(1, 15))


# -------------------------------------------------------------------------------------------------------------- runs


class Conditions(NamedTuple):
    """What a run is made under."""

    seed: int
    is_delayed: bool
    has_latency: bool
    bar_path: Literal["worst", "ohlc"]


class Lines(NamedTuple):
    """What a run left, line by line."""

    orders: list[str]
    executions: list[str]
    callbacks: list[str]
    statistics: str
    answers: list[str]

    def without_stop(self) -> list[str]:
        return [line for line in self.callbacks if json.loads(line)["callback"] != "on_stop"]


conditions = st.builds(
    Conditions, st.integers(0, 10_000), st.booleans(), st.booleans(), st.sampled_from(["worst", "ohlc"])
)


async def run(
    folder: Path,
    events: Sequence[Any],
    under: Conditions,
    *,
    end: int | None = None,
    batch_size: int = 64,
    asks: bool = False,
) -> Lines:
    storage = MemoryStorage()
    await storage.connect()
    await storage.append(events)
    latency = Latency()
    if under.has_latency:
        latency = Latency(
            submit=LognormalDelay(median_ms=900, sigma=1.0), cancel=ConstantDelay(ms=1_500),
            update=LognormalDelay(median_ms=400, sigma=0.5), report=LognormalDelay(median_ms=700, sigma=1.0),
        )  # fmt: skip
    broker = tc.SimulatedBrokerSettings(
        account="margin", cash={"USD": Decimal(50_000)}, slippage=TickSlippage(Decimal(1)), latency=latency,
        commission=RateCommission(Decimal("0.0001"), Decimal("0.0005")), participation=Decimal("0.05"),
        bar_path=under.bar_path,
    )  # fmt: skip
    laws: dict[str, DelayLaw] = {
        "quote_tick": LognormalDelay(median_ms=1_300, sigma=0.8),
        "bar": ConstantDelay(ms=2_100),
    }
    strategies = {"one": RandomTrader(under.seed, asks=asks), "two": RandomTrader(under.seed + 1, asks=asks)}
    result = await tc.run_backtest(
        strategies=strategies,
        brokers={"sim": broker}, storage=storage, instruments=[make_instrument(name) for name in INSTRUMENTS],
        start=T0, end=end, seed=under.seed, batch_size=batch_size, trace=True, runs_dir=folder,
        delays=laws if under.is_delayed else None,
    )  # fmt: skip
    assert result.run_folder is not None
    orders, executions, callbacks = (
        (result.run_folder / f"{name}.jsonl").read_text().splitlines() for name in ("orders", "executions", "callbacks")
    )
    shutil.rmtree(result.run_folder)
    answers = [answer for strategy in strategies.values() for answer in strategy.answers]
    return Lines(orders, executions, callbacks, str(result.statistics.to_dict()), answers)


def until(lines: Sequence[str], at: int, name: str = "ts") -> list[str]:
    return [line for line in lines if json.loads(line)[name] <= at]


def check_prefix(short: Lines, long: Lines, at: int, *, is_whole_minute: bool) -> None:
    assert short.without_stop() == until(long.without_stop(), at)
    assert short.executions == long.executions[: len(short.executions)]
    if is_whole_minute:
        # No bar is open then, and no command waits for one: the end of the short run settled nothing.
        assert short.orders == long.orders[: len(short.orders)]
        before = [line for line in long.executions if json.loads(line)["ts_event"] < at]
        assert before == [line for line in short.executions if json.loads(line)["ts_event"] < at]


# --------------------------------------------------------------------------------------------------------------- laws


@LAW
@given(under=conditions, minute=st.integers(1, MINUTES - 1))
async def test_a_run_to_t_is_a_prefix_of_a_longer_run(tmp_path: Path, under: Conditions, minute: int) -> None:
    """The strategies cannot know when the data ends."""
    events = make_market(under.seed)
    at = T0 + minute * MINUTE_NS
    short, long = await run(tmp_path, events, under, end=at), await run(tmp_path, events, under)
    check_prefix(short, long, at, is_whole_minute=True)
    event(f"executions before t: {min(len(short.executions), 3)}")


@LAW
@given(under=conditions, offset=st.integers(60_000, MINUTES * 60_000))
async def test_a_run_that_ends_inside_a_bar_is_a_prefix_as_well(tmp_path: Path, under: Conditions, offset: int) -> None:
    """A bar that is open at t has opened nothing yet, as far as anybody knows at t."""
    events = make_market(under.seed)
    at = T0 + offset * (SECOND_NS // 1_000)
    short, long = await run(tmp_path, events, under, end=at), await run(tmp_path, events, under)
    check_prefix(short, long, at, is_whole_minute=False)


@LAW
@given(under=conditions, minute=st.integers(1, MINUTES - 1), noise=st.integers(0, 10_000))
async def test_noise_after_t_changes_nothing_up_to_t(
    tmp_path: Path, under: Conditions, minute: int, noise: int
) -> None:
    """Whatever happens later, in price, in number or in time, leaves what was done before as it was."""
    at = T0 + minute * MINUTE_NS
    known = [made for made in make_market(under.seed) if made.ts_event <= at]
    other = make_market(noise, at, T0 + MINUTES * MINUTE_NS)
    short = await run(tmp_path, known, under, end=at)
    check_prefix(short, await run(tmp_path, known + other, under), at, is_whole_minute=True)


@settings(LAW, max_examples=15)
@given(under=conditions)
async def test_batch_sizes_change_no_line_of_what_a_run_leaves(tmp_path: Path, under: Conditions) -> None:
    """Where windows are cut is our business, not the strategies'; nor may what they ask for change it."""
    events = make_market(under.seed)
    runs = [await run(tmp_path, events, under, batch_size=size, asks=True) for size in (1, 16, 1_024)]
    assert runs[0] == runs[1] == runs[2]
    assert len(runs[0].answers) > 10
    unasked = await run(tmp_path, events, under)
    assert unasked == runs[0]._replace(answers=[])


async def test_the_random_runs_do_what_the_laws_are_about(tmp_path: Path) -> None:
    """Laws of runs in which nothing happens would hold as well."""
    under = Conditions(3, is_delayed=True, has_latency=True, bar_path="worst")
    lines = await run(tmp_path, make_market(3), under)
    executed = [json.loads(line) for line in lines.executions]
    assert {record["instrument"] for record in executed} == set(INSTRUMENTS)
    assert {record["strategy"] for record in executed} == {"one", "two"}
    assert len(executed) > 50
    states = {json.loads(line)["state"] for line in lines.orders}
    assert {"ACCEPTED", "TRIGGERED", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "EXPIRED"} <= states
