"""Opportunities: what each state means, what they earn, and how they end. Numbers are worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.errors import InvalidOpportunity, InvalidOrder, OpportunityStateError, OrderError
from tradecore.testing.builders import make_instrument, make_ns, make_quote_tick

ID = "TEST.SIM"
T0 = make_ns("2024-01-01T10:00:00Z")
MS = SECOND_NS // 1_000
WAITING, IN_TRADE, FINISHED = tc.OpportunityState


def quotes(*bids: float, size: float = 10, every_ns: int = SECOND_NS) -> list[Any]:
    """A quote a second: these bids, the ask 2 cents above, 10 on each side."""
    touches = [(bid, round(bid + 0.02, 2)) for bid in bids]
    return [make_quote_tick(T0 + n * every_ns, *t, bid_size=size, ask_size=size) for n, t in enumerate(touches)]


def limit(quantity: int, price: Any, **options: Any) -> tc.Order:
    return tc.Order.limit(ID, quantity, price, **options)


def stop(quantity: int, price: Any, **options: Any) -> tc.Order:
    return tc.Order.stop(ID, quantity, price, **options)


def market(quantity: int, **options: Any) -> tc.Order:
    return tc.Order.market(ID, quantity, **options)


def opens(entry: tc.Order, **settings: Any) -> Any:
    """A step that submits an opportunity."""
    return lambda s: s.open(entry, **settings)


# ------------------------------------------------------------------------------------------------------------ the ends


@pytest.mark.parametrize("contingency", ["client", "venue"])
async def test_a_long_one_takes_its_profit(trade: Any, contingency: str) -> None:
    """In at 100.02, out at 101: 2 x 0.98, less commission of 0.1 % of 200.04 and of 202."""
    s = await trade(
        quotes(100.00, 99.50, 100.50, 101.00, 101.50),
        {0: opens(market(2), profit=limit(-2, 101), stop=stop(-2, 99))},
        commission=tc.RateCommission(maker=Decimal("0.001"), taker=Decimal("0.001")),
        contingency=contingency,
    )
    (one,) = s.trades
    assert s.told == [("WAITING", "IN_TRADE", None), ("IN_TRADE", "FINISHED", "PROFIT")]
    assert (one.quantity, one.entry_price, one.exit_price, one.held) == (2, Decimal("100.02"), 101, 0)
    assert one.commission == Decimal("0.20004") + Decimal("0.202")
    assert one.profit == Decimal("1.96") - Decimal("0.40204")
    assert one.duration == timedelta(seconds=3)
    # Bids seen from its report on: 99.50, 100.50; the execution at 101 itself counts.
    assert (one.mae, one.mfe) == (2 * Decimal("-0.52"), 2 * Decimal("0.98"))
    assert (one.end, one.detail, one.problem) == (tc.OpportunityEnd.PROFIT, None, None)
    assert one.stop_order is not None
    assert one.stop_order.state is tc.OrderState.CANCELLED
    assert s.opportunities.counts == {tc.OpportunityEnd.PROFIT: 1}


@pytest.mark.parametrize("contingency", ["client", "venue"])
async def test_a_short_one_is_stopped(trade: Any, contingency: str) -> None:
    """Sold at 100, bought back at 100.52 + 0.02 when the ask passes 100.50; shorts are seen at the ask."""
    s = await trade(
        quotes(100.00, 99.70, 100.52),
        {0: opens(market(-3), profit=limit(3, 99), stop=stop(3, "100.50"))},
        contingency=contingency,
    )
    (one,) = s.trades
    assert (one.end, one.profit) == (tc.OpportunityEnd.STOP, 3 * Decimal("-0.54"))
    assert (one.mae, one.mfe) == (3 * Decimal("-0.54"), 3 * Decimal("0.28"))  # best ask seen: 99.72


async def test_what_a_report_means_is_told_last(trade: Any) -> None:
    """Order, execution, position, opportunity."""
    s = await trade(quotes(100), {0: opens(market(1), stop=stop(-1, 99))})
    assert s.heard[:4] == ["s-1 ACCEPTED", "s-1 FILLED", "s-1 executes 1 @ 100.02", "s-o1 IN_TRADE"]


async def test_without_exits_it_is_in_trade_until_somebody_closes_it(trade: Any) -> None:
    """An entry alone, any order."""
    s = await trade(quotes(100, 101, 102), {0: opens(market(1)), 2: lambda s: s.trades[0].close("enough")})
    (one,) = s.trades
    assert (one.end, one.detail, one.profit) == (tc.OpportunityEnd.CLOSED, "enough", Decimal("1.98"))


@pytest.mark.parametrize(
    ("entry", "step", "detail"),
    [
        (limit(1, 90), {1: lambda s: s.trades[0].close()}, "closed by hand"),
        (limit(1, 90), {1: lambda s: s.cancel_order(s.trades[0].entry)}, "the entry was cancelled"),
        (
            limit(1, 90, time_in_force=tc.TimeInForce.GTD, expire_time=datetime(2024, 1, 1, 10, 0, 1, tzinfo=UTC)),
            {},
            "its time in force (GTD) ended",
        ),
        (limit(1, 101, post_only=True), {}, None),  # rejected: the broker's reason
    ],
    ids=["closed", "cancelled", "expired", "rejected"],
)
async def test_an_entry_that_ends_unexecuted_finishes_it(
    trade: Any, entry: tc.Order, step: dict[int, Any], detail: str | None
) -> None:
    """WAITING to FINISHED, and its exits never were."""
    again = tc.Order(
        ID,
        entry.quantity,
        entry.order_type,
        price=entry.price,
        time_in_force=entry.time_in_force,
        post_only=entry.terms.post_only,
        expire_time=entry.terms.expire_time,
    )  # fmt: skip  (an order is submitted once, a parameter may be used again)
    s = await trade(quotes(100, 100, 100), {0: opens(again, stop=stop(-1, 89)), **step})
    (one,) = s.trades
    assert s.told == [("WAITING", "FINISHED", "NOT_ENTERED")]
    assert (one.quantity, one.profit, one.duration, one.mae, one.mfe) == (0, 0, None, 0, 0)
    assert one.detail == (detail or again.reason) != ""
    assert one.stop_order is not None
    assert one.stop_order.state is tc.OrderState.CANCELLED


# -------------------------------------------------------------------------------------------------- parts of an entry


@pytest.mark.parametrize("contingency", ["client", "venue"])
async def test_exits_follow_what_executed_and_the_rest_of_the_entry_goes_with_them(
    trade: Any, contingency: str
) -> None:
    """4 of 10 execute; the target takes these 4, and the other 6 are cancelled rather than bought afterwards."""
    s = await trade(
        [make_quote_tick(T0, 99.98, 100, ask_size=4), *quotes(99.99, 101, 101, 99)[1:]],
        {0: opens(limit(10, 100), profit=limit(-10, 101), stop=stop(-10, 95))},
        contingency=contingency,
    )
    (one,) = s.trades
    assert one.profit_order is not None
    assert one.stop_order is not None
    assert (one.quantity, one.profit_order.filled_quantity, one.stop_order.filled_quantity) == (4, 4, 0)
    assert (one.entry.state, one.entry.filled_quantity) == (tc.OrderState.CANCELLED, 4)
    assert (one.end, one.profit) == (tc.OpportunityEnd.PROFIT, 4)


async def test_it_is_in_trade_until_the_last_order_is_finished(trade: Any) -> None:
    """Flat is not enough: while the cancel of the sibling is on its way, the sibling may execute."""
    seen: list[tuple[int, tc.OpportunityState]] = []

    def look(s: Any) -> None:
        seen.append((int(s.trades[0].held), s.trades[0].state))

    bids = [100, 100, 100, 100, 100, 101, 101, 101, 101, 101, 101, 101]
    s = await trade(
        quotes(*bids, every_ns=40 * MS),
        {0: opens(market(1), profit=limit(-1, 101), stop=stop(-1, 95)), 7: look, 8: look, 9: look, 11: look},
        latency_ms=40,
    )
    # The target executes at 200 ms and is reported at 240; the stop's cancel arrives at 280, reported at 320.
    assert seen == [(0, IN_TRADE), (0, FINISHED), (0, FINISHED), (0, FINISHED)]
    assert s.trades[0].ts_finished == T0 + 200 * MS


# -------------------------------------------------------------------------------------------------------------- closing


async def test_closing_cancels_first_and_leaves_what_is_then_held(trade: Any) -> None:
    """The target executes while its cancel is on its way: nothing is left to sell, and nothing is sold twice."""
    s = await trade(
        quotes(100, 100, 100, 100, 100, 100, 101, 100, 100, 100, 100, 100, every_ns=40 * MS),
        {
            0: opens(market(2), profit=limit(-2, 101), stop=stop(-2, 95)),
            5: lambda s: s.trades[0].close(),  # at 200 ms; the cancels arrive at 240, after the quote of that instant
        },
        latency_ms=40,
    )
    (one,) = s.trades
    assert (one.end, one.detail, one.held) == (tc.OpportunityEnd.PROFIT, None, 0)
    assert [e.signed_quantity for e in s.executed] == [2, -2]


async def test_closing_while_the_entry_executes_leaves_what_came_in(trade: Any) -> None:
    """The entry executes before its cancel arrives; its exits were dropped, so what came in goes at the market."""
    s = await trade(
        quotes(100, 100, 99.98, 99.98, 99.98, 99.98, 99.98, every_ns=40 * MS),
        {0: opens(limit(2, 100), stop=stop(-2, 95)), 1: lambda s: s.trades[0].close("changed my mind")},
        latency_ms=40,
    )
    (one,) = s.trades
    # Accepted at 40 ms; the cancel given then arrives at 80 ms, when the ask is at 100.
    assert s.told == [("WAITING", "IN_TRADE", None), ("IN_TRADE", "FINISHED", "CLOSED")]
    assert (one.profit, one.detail) == (2 * Decimal("-0.02"), "changed my mind")


async def test_closing_twice_is_closing_once(trade: Any) -> None:
    """The second call finds everything on its way."""

    def close(s: Any) -> None:
        if not s.trades[0].is_finished:
            s.trades[0].close(f"at {s.number}")

    s = await trade(
        quotes(*[100] * 12, every_ns=40 * MS),
        {0: opens(market(2), stop=stop(-2, 95)), 4: close, 5: close, 6: close, 7: close},
        latency_ms=40,
    )
    assert [e.signed_quantity for e in s.executed] == [2, -2]
    assert s.trades[0].detail == "at 4"


async def test_a_close_that_is_refused_is_told_and_may_be_asked_for_again(trade: Any) -> None:
    """At 16:30 the session is over; the next morning it is open again."""
    instrument = make_instrument(session="09:30-16:00 America/New_York")
    times = ["2024-01-03T15:00:00Z", "2024-01-03T21:30:00Z", "2024-01-04T15:00:00Z", "2024-01-04T15:00:01Z"]
    timer = tc.OneTimeEvent("evening", make_ns(times[1]), make_ns(times[1]))
    events = [make_quote_tick(times[0]), timer, make_quote_tick(times[2]), make_quote_tick(times[3])]
    s = await trade(
        events,
        {0: opens(market(1)), 1: lambda s: s.trades[0].close(), 3: lambda s: s.trades[0].close()},
        instrument=instrument,
        no_market="reject",
    )
    (one,) = s.trades
    assert s.told == [
        ("WAITING", "IN_TRADE", None), ("IN_TRADE", "IN_TRADE", None), ("IN_TRADE", "FINISHED", "CLOSED"),
    ]  # fmt: skip
    assert one.problem is not None
    assert one.problem.startswith("1 TEST.SIM are held; the order to close them was REJECTED")
    assert one.held == 0


async def test_exits_cancelled_by_hand_leave_it_without_protection_and_it_says_so(trade: Any) -> None:
    """Whoever takes the exits away is told what is held without them."""
    s = await trade(
        quotes(100, 100, 100),
        {0: opens(market(1), stop=stop(-1, 95)), 1: lambda s: s.cancel_order(s.trades[0].stop_order)},
    )
    (one,) = s.trades
    assert (one.state, one.held) == (IN_TRADE, 1)
    assert one.problem == "1 TEST.SIM are held, and none of its exits works any more"
    assert s.told[-1] == ("IN_TRADE", "IN_TRADE", None)


# ------------------------------------------------------------------------------------------------------------ time-outs


async def test_it_times_out_a_duration_after_its_entry_in_a_quiet_market(trade: Any) -> None:
    """No quote comes at the 2.5th second: a timer does it, at what stands then."""
    s = await trade(
        quotes(100, 101, 102, 103), {0: opens(market(1), stop=stop(-1, 95), time_out=timedelta(seconds=2.5))}
    )
    (one,) = s.trades
    assert (one.end, one.detail) == (tc.OpportunityEnd.TIMED_OUT, "timed out at 2024-01-01T10:00:02.500Z")
    assert (one.exit_price, one.duration) == (102, timedelta(seconds=2.5))


async def test_a_moment_ends_the_waiting_too(trade: Any) -> None:
    """A duration counts from the entry; a moment is a moment."""
    at = datetime(2024, 1, 1, 10, 0, 1, 500_000, tzinfo=UTC)
    s = await trade(
        quotes(100, 100, 100),
        {0: lambda s: (s.open(limit(1, 90), time_out=at), s.open(limit(1, 90), time_out=timedelta(seconds=1)))},
    )
    first, second = s.trades
    assert (first.end, first.detail) == (tc.OpportunityEnd.NOT_ENTERED, "timed out at 2024-01-01T10:00:01.500Z")
    assert first.ts_finished == T0 + 1_500 * MS
    assert second.state is WAITING


async def test_a_time_out_shorter_than_the_way_of_a_report_closes_at_once(trade: Any) -> None:
    """Executed at 40 ms, known at 80 ms; its 20 ms are over by then."""
    s = await trade(
        quotes(*[100] * 8, every_ns=40 * MS), {0: opens(market(1), time_out=timedelta(milliseconds=20))}, latency_ms=40
    )
    (one,) = s.trades
    assert one.end is tc.OpportunityEnd.TIMED_OUT
    assert one.duration == timedelta(milliseconds=80)  # 40 back, 40 for the order that closes


async def test_many_time_outs_come_each_at_its_own_moment(trade: Any) -> None:
    """Set in the middle of a window, later ones before earlier ones."""
    waits = [5.5, 1.5, 3.5, 1.5]
    s = await trade(
        quotes(*[100] * 8),
        {0: lambda s: [s.open(market(1), time_out=timedelta(seconds=wait)) for wait in waits],
         3: lambda s: s.open(market(1), time_out=timedelta(seconds=0.25))},
    )  # fmt: skip
    assert [one.duration.total_seconds() for one in s.trades] == [*waits, 0.25]


# ---------------------------------------------------------------------------------------------------- several at a time


async def test_each_has_its_own_profit_where_the_position_is_one(trade: Any) -> None:
    """Long 3 and short 2 of one instrument, one ledger of +1; together they earn what the ledger earned."""
    s = await trade(
        quotes(100, 101, 102, 103),
        {
            0: lambda s: (s.open(market(3), stop=stop(-3, 95)), s.open(market(-2), stop=stop(2, 110))),
            1: lambda s: s.trades[0].close(),
            3: lambda s: s.trades[1].close(),
        },
        commission=tc.FixedCommission(amount=Decimal("0.25")),
    )
    long, short = s.trades
    assert long.profit == 3 * Decimal("0.98") - Decimal("0.5")  # 100.02 to 101.00
    assert short.profit == 2 * Decimal("-3.02") - Decimal("0.5")  # 100.00 to 103.02
    assert s.result.statistics.net_profit == long.profit + short.profit


async def test_what_others_do_is_none_of_its_business(trade: Any) -> None:
    """An order of the strategy's own beside it changes neither its state nor its profit."""
    s = await trade(
        quotes(100, 101, 102),
        {0: lambda s: (s.open(market(1)), s.submit_order(market(-1))), 2: lambda s: s.trades[0].close()},
    )
    assert s.trades[0].profit == Decimal("1.98")


async def test_look_ups(trade: Any) -> None:
    """By id, order, execution; by state; those not finished in order."""
    found: dict[str, Any] = {}

    def look(s: Any) -> None:
        everything = s.opportunities
        found["open"], found["waiting"], found["in_trade"] = list(everything), everything.waiting, everything.in_trade
        found["finished"], found["count"] = everything.finished, len(everything)
        one = s.trades[1]
        found["by"] = [everything.find(key) for key in (one.id, one.entry, one.stop_order, s.executed[-1], "s-o9")]
        everything.close_all("OTHER.SIM")
        found["after"] = len(everything)
        everything.close_all()

    s = await trade(
        quotes(100, 100, 100),
        {0: lambda s: (s.open(limit(1, 90)), s.open(market(1), stop=stop(-1, 95)), s.open(limit(1, 80))),
         1: lambda s: s.trades[2].close(), 2: look},
    )  # fmt: skip
    first, second, third = s.trades
    assert found["open"] == [first, second]
    assert (found["waiting"], found["in_trade"], found["finished"], found["count"]) == ([first], [second], [third], 2)
    assert found["by"] == [second, second, second, second, None]
    assert found["after"] == 2
    assert [one.end.name for one in s.trades] == ["NOT_ENTERED", "CLOSED", "NOT_ENTERED"]
    assert len(s.opportunities) == 0


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (lambda: tc.Opportunity(limit(1, 100), stop=stop(-1, 101)), InvalidOrder, "stop"),
        (lambda: tc.Opportunity(limit(1, 100), profit=limit(-1, 99)), InvalidOrder, "profit"),
        (lambda: tc.Opportunity(limit(1, 100), profit=limit(1, 101)), InvalidOrder, "SELL"),
        (lambda: tc.Opportunity(limit(1, 100), profit=limit(-2, 101)), InvalidOrder, "2"),
        (lambda: tc.Opportunity(limit(1, 100), stop=tc.Order.stop("B.SIM", -1, 99)), InvalidOrder, "B.SIM"),
        (lambda: tc.Opportunity(limit(1, 100, reduce_only=True)), InvalidOpportunity, "reduce_only"),
        (lambda: tc.Opportunity(limit(1, 100), manage=[tc.BreakEven(after=1)]), InvalidOpportunity, "BreakEven"),
        (lambda: tc.Opportunity(limit(1, 100), manage=cast("Any", ["trail"])), InvalidOpportunity, "'trail'"),
        (lambda: tc.Opportunity(limit(1, 100), time_out=timedelta(0)), InvalidOpportunity, "above 0"),
        (lambda: tc.Opportunity(limit(1, 100), time_out=datetime(2024, 1, 1)), InvalidOpportunity, "aware UTC"),
        (lambda: tc.Opportunity(limit(1, 100), time_out=cast("Any", 5)), InvalidOpportunity, "timedelta"),
        (lambda: tc.Opportunity(limit(1, 100)).close(), OpportunityStateError, "submit_opportunity"),
        (lambda: tc.Opportunity(limit(1, 100)).price_increment, OpportunityStateError, "submit_opportunity"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_raises_where_it_is_made(make: Any, kind: type[Exception], says: str) -> None:
    """At the user's own line, with what was met."""
    with pytest.raises(kind, match=says):
        make()


async def test_what_cannot_be_done_now_raises_at_the_call_and_changes_nothing(trade: Any) -> None:
    """All or nothing: a wrong leg lets nothing of it be submitted, and the manager knows of none."""
    caught: list[OrderError] = []

    def attempt(call: Any) -> None:
        with pytest.raises(OrderError) as info:
            call()
        caught.append(info.value)

    def step(s: Any) -> None:
        attempt(lambda: s.open(limit(1, 100), stop=stop(-1, "98.995")))  # off the grid
        attempt(lambda: s.open(limit(1, "100.001")))
        attempt(lambda: s.open(limit(1, 100), time_out=datetime(2024, 1, 1, tzinfo=UTC)))  # in the past
        assert (len(s.opportunities), s.orders()) == (0, [])
        one = s.open(limit(1, 90), stop=stop(-1, 80))
        attempt(lambda: s.submit_opportunity(one))
        attempt(lambda: one.move_profit(100))  # it has none
        attempt(lambda: tc.Opportunity(one.entry))
        s.cancel_order(one.stop_order)
        attempt(lambda: one.move_stop(85))  # it was dropped
        one.close()

    def after(s: Any) -> None:
        attempt(lambda: s.trades[0].close())

    s = await trade(quotes(100, 100), {0: step, 1: after})
    assert [type(error).__name__ for error in caught] == [
        "InvalidOrder", "InvalidOrder", "InvalidOpportunity", "OpportunityStateError", "OpportunityStateError",
        "InvalidOpportunity", "OpportunityStateError", "OpportunityStateError",
    ]  # fmt: skip
    assert s.trades[0].id == "s-o1"


# --------------------------------------------------------------------------------------------------------- adjustments


async def test_a_dividend_is_shared_by_what_each_holds(trade: Any) -> None:
    """30 of 20 held: 1.50 a unit; the short one pays. Alone with the position it is all of it."""
    dividend = tc.AccountAdjustment.dividend(ID, datetime(2024, 1, 1, 10, 0, 1, 500_000, tzinfo=UTC), "1.5")
    s = await trade(
        [*quotes(100, 100), dividend, *quotes(100, 100, 100)[2:]],
        {0: lambda s: (s.open(market(3)), s.open(market(-1))), 3: lambda s: s.opportunities.close_all()},
    )
    long, short = s.trades
    assert long.profit == 3 * Decimal("-0.02") + Decimal("4.5")
    assert short.profit == Decimal("-0.02") - Decimal("1.5")
    assert s.result.statistics.net_profit == long.profit + short.profit


async def test_what_a_split_leaves_off_the_grid_is_shared_by_what_each_holds(trade: Any) -> None:
    """3:2 of 7 and 8: 22.5, of which half a unit is paid out: 7/30 from the first, 4/15 from the second. What is left,
    10.26 and 11.73, makes 22; orders sell 10 and 11 of it, and 1 stays, of which nobody could sell his part.
    """
    split = tc.AccountAdjustment.split(ID, datetime(2024, 1, 1, 10, 0, 1, 500_000, tzinfo=UTC), "1.5")
    s = await trade(
        [*quotes(99.98, 99.98), split, *quotes(0, 0, 80, 80)[2:]],
        {0: lambda s: (s.open(market(7)), s.open(market(8))), 4: lambda s: s.opportunities.close_all()},
    )
    first, second = s.trades
    assert first.held + second.held == s.position(ID).quantity == 1
    assert first.orders[-1].filled_quantity + second.orders[-1].filled_quantity == 21
    assert [round(one.held, 6) for one in s.trades] == [Decimal("0.266667"), Decimal("0.733333")]
    # To the cent: the unit that stays has its own average in each of them, and one in the ledger.
    assert float(first.profit + second.profit) == pytest.approx(float(s.result.statistics.realised_profit), abs=0.01)
