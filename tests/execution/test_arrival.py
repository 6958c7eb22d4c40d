"""Live and recorded events happen when they arrive, imported history at its event time: DESIGN 4; EXECUTION 11.

Times in seconds; every event below is received 0.8 s after it happened unless a test says otherwise.
"""

from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import Latency
from tradecore.domain.bar import Bar
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import Order
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.testing.broker_desk import BrokerDesk
from tradecore.testing.broker_desk import make_broker_desk as make_desk
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
BARS, TRADES, QUOTES = f"bar {ID} 1m last", f"trade_tick {ID}", f"quote_tick {ID}"
LATE_S = 0.8


def ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def trade(second: float, price: float, received: float | None = None, **given: Any) -> TradeTick:
    return make_trade_tick(
        ns(second), price, 100, received=ns(second + LATE_S if received is None else received), **given
    )


def quote(second: float, bid: float, ask: float) -> QuoteTick:
    return make_quote_tick(ns(second), bid, ask, received=ns(second + LATE_S))


def bar(minute: int, open_: float, close: float, late: float = LATE_S, side: str = "last") -> Bar:
    return make_bar(
        minute * MINUTE_NS, close, open=open_, high=max(open_, close), low=min(open_, close), volume=1_000,
        bar_type=f"{ID} 1m {side}", received=minute * MINUTE_NS + ns(late),
    )  # fmt: skip


def started(**settings: Any) -> BrokerDesk:
    """A desk on which minute 1 has closed at 100 and was received at 60.8 s."""
    desk = make_desk(BARS, **settings)
    desk.play(bar(1, 100, 100), by_arrival=True)
    return desk


async def test_a_print_executes_a_taker_when_it_arrives() -> None:
    desk = make_desk(TRADES)
    desk.play(trade(1, 100), by_arrival=True)
    order = await desk.submit(Order.market(ID, 1))
    desk.play(trade(2, 101), by_arrival=True)
    assert desk.list_executed(order) == [("1", "101.0")]
    assert desk.executions[0].ts_event == ns(2.8)


async def test_a_command_due_between_two_arrivals_takes_effect_before_the_second() -> None:
    """Given at 1.8, due at 2.3. The print of second 2 was made before that and arrives after it, at 2.8: it counts."""
    desk = make_desk(TRADES, latency=Latency(submit=ConstantDelay(ms=500)))
    desk.play(trade(1, 100), by_arrival=True)
    order = await desk.submit(Order.market(ID, 1))
    desk.play(trade(2, 101), trade(3, 102), by_arrival=True)
    assert desk.list_executed(order) == [("1", "101.0")]


async def test_the_same_events_as_imported_history_meet_the_order_by_their_own_time() -> None:
    """Given at 1, due at 1.5: the print of second 2 executes it at 2."""
    desk = make_desk(TRADES, latency=Latency(submit=ConstantDelay(ms=500)))
    desk.play(trade(1, 100))
    await desk.submit(Order.market(ID, 1))
    desk.play(trade(2, 101))
    assert desk.executions[0].ts_event == ns(2)


async def test_a_taker_takes_the_quote_that_has_arrived_not_the_one_on_its_way() -> None:
    """Due at 2.3, when the quote of second 2 has not arrived."""
    desk = make_desk(QUOTES, latency=Latency(submit=ConstantDelay(ms=500)))
    desk.play(quote(1, 99, 100), by_arrival=True)
    order = await desk.submit(Order.market(ID, 1))
    desk.play(quote(2, 199, 200), by_arrival=True)
    assert desk.list_executed(order) == [("1", "100.0")]
    assert desk.executions[0].ts_event == ns(2.3)


async def test_a_late_print_executes_where_it_arrives() -> None:
    """Id 2 overtakes id 1, which arrives at 5: event times fall, arrivals do not."""
    desk = make_desk(TRADES)
    order = await desk.submit(Order.limit(ID, 1, "99.50"))
    desk.play(trade(2, 100, received=3), trade(1, 99, received=5), by_arrival=True)
    assert desk.list_executed(order) == [("1", "99.50")]
    assert desk.executions[0].ts_event == ns(5)


async def test_marks_of_a_holding_are_taken_by_arrival() -> None:
    """At the minute 60 the print of second 59.5 (price 103) has not arrived; the one of second 59 has."""
    desk = make_desk(TRADES)
    await desk.submit(Order.market(ID, 1))
    desk.play(trade(1, 100), trade(59, 102), trade(59.5, 103), trade(61, 104), by_arrival=True)
    assert desk.recorder.marks[0] == (ID, MINUTE_NS, 102.0)


async def test_the_queue_before_a_limit_follows_arrivals() -> None:
    """10 are shown at our price when we come; 10 + 1 print there: the last one is ours."""
    desk = make_desk(TRADES, QUOTES, match_on={ID: "trade_queue"}, participation=Decimal(1))
    desk.play(trade(0.5, 100.2), quote(1, 100, 100.2), by_arrival=True)
    order = await desk.submit(Order.limit(ID, 1, "100"))
    prints = [
        make_trade_tick(ns(2), 100.0, 10, aggressor=Aggressor.SELLER, received=ns(3)),
        make_trade_tick(ns(2), 100.0, 1, aggressor=Aggressor.SELLER, received=ns(4)),
    ]
    desk.play(*prints, by_arrival=True)
    assert desk.list_executed(order) == [("1", "100")]
    assert desk.executions[0].ts_event == ns(4)


# ------------------------------------------------------------------------------------------------------------- bars


async def test_the_open_grace_is_what_lets_an_order_given_on_a_live_bar_have_the_next_open() -> None:
    """Given at 60.8, minute 2 began at 60: 0.8 s is within 5 % of a minute, and the execution is stamped with 60.8."""
    desk = started()
    order = await desk.submit(Order.market(ID, 1))
    desk.play(bar(2, 100.3, 101), by_arrival=True)
    assert desk.list_executed(order) == [("1", "100.3")]
    assert desk.executions[0].ts_event == ns(60.8)
    assert desk.received[-1].at == ns(120.8)


async def test_an_order_that_comes_between_a_bars_end_and_its_arrival_has_no_part_in_it() -> None:
    """Given at 120.3; minute 2 ended at 120, though it arrives at 120.8. Minute 3 began at 120, within the grace."""
    desk = started()
    desk.advance(ns(120.3))
    order = await desk.submit(Order.market(ID, 1))
    desk.play(bar(2, 101, 102), by_arrival=True)
    assert desk.list_executed(order) == []
    desk.play(bar(3, 103, 104), by_arrival=True)
    assert desk.list_executed(order) == [("1", "103.0")]


@pytest.mark.parametrize(("late", "executed", "state"), [(0.8, ["1"], "FILLED"), (36.0, [], "CANCELLED")])
async def test_a_cancel_inside_a_bar_waits_for_its_arrival_but_not_for_ever(
    late: float, executed: list[str], state: str
) -> None:
    """Rests from 0, cancelled at 90. Minute 2 opened at 60 with 99.5, below the limit of 100: so before the cancel.

    The cancel waits for that bar until 90 + 60 + 5 = 155: it arrives at 120.8, or at 156.
    """
    desk = make_desk(BARS)
    order = await desk.submit(Order.limit(ID, 1, "100.0"))
    desk.play(bar(1, 101, 101), by_arrival=True)
    desk.advance(ns(90))
    await desk.cancel(order)
    desk.play(bar(2, 99.5, 99.5, late), by_arrival=True)
    assert [quantity for quantity, _ in desk.list_executed(order)] == executed
    assert order.state.name == state


async def test_same_close_takes_the_close_of_the_bar_that_just_arrived() -> None:
    """Stamped with the order's own instant: the bar was over before the order was thought of."""
    desk = started(bar_fill="same_close")
    order = await desk.submit(Order.market(ID, 1))
    assert desk.list_executed(order) == [("1", "100.0")]
    assert desk.executions[0].ts_event == ns(60.8)


async def test_a_pair_of_bars_has_arrived_when_both_have_and_waits_over_windows() -> None:
    """The ask of minute 2 comes in a window of its own, half a second after the bid."""
    desk = make_desk(f"bar {ID} 1m bid", f"bar {ID} 1m ask")
    order = await desk.submit(Order.market(ID, 1))
    desk.play(bar(2, 99, 99, 0.3, "bid"), by_arrival=True)
    assert desk.list_executed(order) == []
    desk.play(bar(2, 101, 101, 0.8, "ask"), by_arrival=True)
    assert desk.list_executed(order) == [("1", "101.0")]
    assert desk.received[-1].at == ns(120.8)
    assert desk.broker.match_counts[ID]["half_pairs"] == 0


async def test_half_a_pair_is_counted_once_its_partner_cannot_come_any_more() -> None:
    desk = make_desk(f"bar {ID} 1m bid", f"bar {ID} 1m ask")
    desk.play(bar(2, 99, 99, 0.3, "bid"), by_arrival=True)
    desk.play(bar(3, 99, 99, 0.3, "bid"), by_arrival=True)
    desk.play(bar(3, 101, 101, 0.8, "ask"), by_arrival=True)
    assert desk.broker.match_counts[ID]["half_pairs"] == 1


async def test_a_bar_that_history_brings_after_a_later_one_executes_nothing_and_is_counted() -> None:
    desk = started()
    desk.play(bar(3, 100, 100), by_arrival=True)
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.play(bar(2, 90, 90, 125.0), by_arrival=True)
    assert desk.list_executed(order) == []
    assert desk.broker.match_counts[ID]["late_bars"] == 1


async def test_history_by_event_time_then_live_by_arrival_in_one_lane() -> None:
    """Minute 1 is imported and known at 60; minute 2 is live and known at 120.8."""
    desk = make_desk(BARS)
    order = await desk.submit(Order.limit(ID, 1, "99.5"))
    desk.play(bar(1, 100, 100))
    assert desk.timeline.now == MINUTE_NS
    desk.play(bar(2, 99, 99), by_arrival=True)
    assert desk.list_executed(order) == [("1", "99.5")]
    assert desk.received[-1].at == ns(120.8)
