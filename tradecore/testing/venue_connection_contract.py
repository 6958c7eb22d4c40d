"""VenueConnectionContract: how an adapter's connections break, are made again, and are replaced.

Receives: a ScriptedVenue skin of the dialect, from a subclass (see market_data_venue_contract.py).
Gives:    tests on virtual time: faults strike at exact instants, an hour of storms passes in a moment.
Never:    knows the adapter's class.    RELIABILITY 2 #1-#5, 7.4.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus

from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.errors import (
    VenueRefused,
    VenueUnreachable,
)
from tradecore.testing.recording_sink import RecordingSink
from tradecore.testing.venue_stage import Stage, VenueStageSuite, on_virtual_time
from tradecore.testing.virtual_run import running_clock, running_network


class VenueConnectionContract(VenueStageSuite):
    """Subclass it, override `make_skin`, and pytest runs the suite on the adapter that the skin makes."""

    # ------------------------------------------------------------------------------------------------- connections

    @on_virtual_time
    async def test_a_lost_connection_is_told_made_again_and_subscribed_again(self) -> None:
        """Every undeclared loss is a failure."""
        async with self.stage() as stage:
            await stage.skin.publish_trade(1)
            await stage.wait_for_trades(1)
            stage.skin.drop()
            await stage.wait_for_state(FeedState.RECONNECTING)
            await stage.skin.publish_trade(2)  # nobody hears it
            await stage.wait_for_state(FeedState.CONNECTED)
            await stage.skin.publish_trade(3)
            await stage.wait_for_trades(2)
            assert stage.numbers() == [1, 3]
            assert stage.sink.states(stage.trades) == [
                FeedState.CONNECTED, FeedState.RECONNECTING, FeedState.CONNECTED, FeedState.GAP
            ]  # fmt: skip

    @on_virtual_time
    async def test_a_half_open_connection_is_stale_at_its_deadline_then_given_up(self) -> None:
        """TCP says nothing: the peer's machine is gone. Deadlines: 5 s and 10 s, looked at every second."""
        async with self.stage() as stage:
            (link, *_) = running_network().links_to(stage.skin.host, stage.skin.port)
            await anyio.sleep(3)  # the last sign of life is at most a ping or a heartbeat ago
            stalled_ns = running_clock().wall_ns()
            for link in running_network().links_to(stage.skin.host, stage.skin.port):
                link.stall()
            await stage.wait_for_state(FeedState.STALE)
            stale_s = (stage.sink.changes(stage.trades)[-1].ts - stalled_ns) / SECOND_NS
            assert 5 - 3.6 <= stale_s <= 5 + 1.1
            await stage.wait_for_state(FeedState.RECONNECTING)
            lost_s = (stage.sink.changes(stage.trades)[-1].ts - stalled_ns) / SECOND_NS
            assert 10 - 3.6 <= lost_s <= 10 + 1.1
            await stage.wait_for_state(FeedState.CONNECTED)
            await stage.skin.publish_trade(1)
            await stage.wait_for_trades(1)

    @on_virtual_time
    async def test_a_quiet_market_is_no_dead_feed(self) -> None:
        """An hour without a trade: the connection is proven alive."""
        async with self.stage() as stage:
            await anyio.sleep(3_600)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED]
            assert len(stage.skin.connects_ns) == 1

    @on_virtual_time
    async def test_a_quiet_stream_beside_a_busy_one_is_not_dead(self) -> None:
        """Quotes move every second and nobody trades for ten minutes: the venue, asked, has no newer trade either."""
        async with self.stage() as stage:
            await stage.venue.subscribe(stage.quotes)
            await stage.skin.publish_trade(1)
            for number in range(1, 601):
                await stage.skin.publish_quote(number, 100.0 + number % 3, 105.0)
                await anyio.sleep(1)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED]
            assert stage.sink.states(stage.quotes) == [FeedState.CONNECTED]
            assert len(stage.skin.connects_ns) == 1

    @on_virtual_time
    async def test_a_stream_that_dies_alone_is_stale_by_its_name_and_asked_for_anew(self) -> None:
        """Two trades a second, so its deadline is 20 pauses of 0.5 s = 10 s; quotes go on. The looks take up to 1 s."""
        async with self.stage() as stage:
            await stage.venue.subscribe(stage.quotes)
            for number in range(1, 241):
                if number == 201:
                    died_ns = running_clock().wall_ns()
                await stage.skin.publish_trade(number, is_said=number <= 200)
                await stage.skin.publish_quote(number, 100.0 + number % 3, 105.0)
                await anyio.sleep(0.5)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED, FeedState.STALE]
            stale = stage.sink.changes(stage.trades)[-1]
            assert (stale.ts - died_ns) / SECOND_NS <= 10 + 1
            assert str(stage.trades) in stale.reason
            assert set(stage.sink.states(stage.quotes)) == {FeedState.CONNECTED}
            asked = [request["method"].lower() for request in stage.skin.requests if "method" in request]
            assert asked.count("unsubscribe") >= 1
            await stage.skin.publish_trade(241)
            await stage.wait_for_trades(201)
            assert stage.sink.states(stage.trades)[2:] == [FeedState.CONNECTED, FeedState.GAP]
            assert stage.sink.changes(stage.trades)[-1].reason == "40 missing: 201 to 240"

    @on_virtual_time
    async def test_a_stream_that_stays_dead_gets_a_new_connection_that_costs_the_others_nothing(self) -> None:
        """Subscribing anew did not help; quotes come through the replacement each once."""
        async with self.stage() as stage:
            await stage.venue.subscribe(stage.quotes)
            for number in range(1, 601):
                await stage.skin.publish_trade(number, is_said=number <= 200)
                await stage.skin.publish_quote(number, 100.0 + number % 3, 105.0)
                await anyio.sleep(0.5)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED, FeedState.STALE], "until it is heard"
            assert len(stage.sink.events(stage.quotes)) == 600
            assert set(stage.sink.states(stage.quotes)) == {FeedState.CONNECTED}
            assert 2 <= len(stage.skin.connects_ns) <= 6, "ever more seldom: after 1, 2, 4 and 8 pauses"

    @on_virtual_time
    async def test_a_stale_connection_that_comes_back_is_connected_again(self) -> None:
        """STALE is cleared without a new connection."""
        async with self.stage() as stage:
            links = running_network().links_to(stage.skin.host, stage.skin.port)
            for link in links:
                link.stall()
            await stage.wait_for_state(FeedState.STALE)
            for link in links:
                link.resume()
            await stage.wait_for_state(FeedState.CONNECTED)
            assert len(stage.skin.connects_ns) == 1

    @on_virtual_time
    async def test_a_venue_that_accepts_and_closes_is_not_stormed(self) -> None:
        """Each attempt succeeds, so attempts alone would reset the back-off: only uptime does. 20 in 5 minutes."""
        async with self.stage() as stage:
            stage.skin.closes_at_once = True
            stage.skin.drop()
            await anyio.sleep(1_800)
            made = stage.skin.connects_ns
            windows = [sum(1 for other in made if at <= other < at + 5 * MINUTE_NS) for at in made]
            assert max(windows) <= self.settings.connects_max
            assert len(made) > 30, "it goes on trying: at least once a minute on average, within the budget"
            stage.skin.closes_at_once = False
            await stage.wait_for_state(FeedState.CONNECTED)
            await anyio.sleep(1)
            await stage.skin.publish_trade(1)
            await stage.wait_for_trades(1)

    @on_virtual_time
    async def test_a_planned_replacement_loses_nothing_and_repeats_nothing(self) -> None:
        """A trade every 100 ms for two minutes, a replacement every 20 s: 1 to 1,200, each once."""
        async with self.stage(planned_reconnect_s=20.0) as stage:
            for number in range(1, 1_201):
                await stage.skin.publish_trade(number)
                await anyio.sleep(0.1)
            await stage.wait_for_trades(1_200)
            assert stage.numbers() == list(range(1, 1_201))
            assert len(stage.skin.connects_ns) >= 5
            assert set(stage.sink.states(stage.trades)) == {FeedState.CONNECTED}
            assert len([wanted for wanted in stage.skin.subscriptions.values() if wanted]) <= 2

    @on_virtual_time
    async def test_what_is_subscribed_during_a_replacement_is_there_after_it(self) -> None:
        """On both connections, or the successor would not have it."""
        async with self.stage(planned_reconnect_s=20.0, overlap_s=5.0) as stage:
            await anyio.sleep(21)  # the successor is up, and holds back what it hears
            assert len(stage.skin.subscriptions) == 2
            await anyio.sleep(1)
            await stage.venue.subscribe(stage.quotes)
            await anyio.sleep(10)
            assert len(stage.skin.subscriptions) == 1
            await stage.skin.publish_quote(1, 100.0, 101.0)
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: len(stage.sink.events(stage.quotes)) == 1)

    @on_virtual_time
    async def test_a_successor_that_breaks_is_made_again_while_the_old_connection_goes_on(self) -> None:
        """Two successors in a row are lost while they only listen; the third takes over."""
        async with self.stage(planned_reconnect_s=20.0, overlap_s=5.0) as stage:
            number, broken = 0, 0
            for _ in range(600):
                number += 1
                await stage.skin.publish_trade(number)
                await anyio.sleep(0.1)
                if len(stage.skin.subscriptions) == 2 and broken < 2:
                    broken += 1
                    list(stage.skin.subscriptions)[1].transport.abort()
            await stage.wait_for_trades(number)
            assert stage.numbers() == list(range(1, number + 1))
            assert len(stage.skin.connects_ns) >= 4
            assert set(stage.sink.states(stage.trades)) == {FeedState.CONNECTED}

    @on_virtual_time
    async def test_a_connection_that_breaks_during_its_replacement_leaves_no_hole(self) -> None:
        """The successor was subscribed before, and has held everything."""
        async with self.stage(planned_reconnect_s=20.0, overlap_s=5.0) as stage:
            for number in range(1, 211):
                await stage.skin.publish_trade(number)
                await anyio.sleep(0.1)
            # 21 s: the successor is subscribed, and holds back what it hears.
            old, _ = stage.skin.subscriptions
            for _ in range(5):
                number += 1
                await stage.skin.publish_trade(number)
            await anyio.sleep(0.01)
            old.transport.abort()
            for _ in range(5):
                number += 1
                await stage.skin.publish_trade(number)
            await stage.wait_for_trades(number)
            assert stage.numbers() == list(range(1, number + 1))
            assert set(stage.sink.states(stage.trades)) == {FeedState.CONNECTED}

    @on_virtual_time
    async def test_a_venue_that_cannot_be_reached_is_named_after_so_many_attempts(self) -> None:
        """At the start a person waits for an answer."""
        clock = running_clock()
        async with self.make_skin(clock).open() as skin:
            venue: Any = skin.make_venue(self.settings)
            running_network().refuse(skin.host, skin.port)
            with pytest.raises(VenueUnreachable, match="after 5 attempts"):
                await venue.run(RecordingSink(clock))

    @on_virtual_time
    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_refusal_for_good_ends_run_and_is_told_to_every_stream(self, status: int) -> None:
        """A feed that ends silently looks like a quiet market."""
        clock = running_clock()
        async with self.make_skin(clock).open() as skin:
            stage = Stage(skin, skin.make_venue(self.settings), RecordingSink(clock))
            met: list[BaseException] = []

            async def run(*, task_status: TaskStatus[None]) -> None:
                try:
                    await stage.venue.run(stage.sink, task_status=task_status)
                except VenueRefused as error:
                    met.append(error)

            async with anyio.create_task_group() as tasks:
                await tasks.start(run)
                await stage.venue.subscribe(stage.trades)
                skin.refusal = (status, {})
                skin.drop()
            assert str(status) in str(met)
            assert stage.sink.states(stage.trades)[-1] is FeedState.ENDED
            assert str(status) in stage.sink.changes(stage.trades)[-1].reason

    @on_virtual_time
    @pytest.mark.parametrize("status", [418, 429])
    async def test_a_venue_that_asks_to_be_left_alone_is_left_alone(self, status: int) -> None:
        """Going on would turn a limit into a ban."""
        async with self.stage() as stage:
            stage.skin.refusal = (status, {"Retry-After": "90"})
            stage.skin.drop()
            await stage.wait_for_state(FeedState.RECONNECTING)
            await anyio.sleep(40)
            tried = len(stage.skin.connects_ns)
            assert tried == 2, "the first connection, and the attempt that was refused"
            stage.skin.refusal = None
            await stage.wait_for_state(FeedState.CONNECTED)
            assert stage.skin.connects_ns[2] - stage.skin.connects_ns[1] >= 90 * SECOND_NS

    @on_virtual_time
    async def test_stopping_leaves_no_connection_behind(self) -> None:
        """Who opens closes."""
        async with self.stage() as stage:
            await stage.venue.server_time()
        await anyio.sleep(5)
        assert running_network().links == ()
