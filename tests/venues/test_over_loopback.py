"""Both adapters over real sockets and the machine's clock: what virtual time cannot show."""

from itertools import pairwise
from typing import Any

import anyio
import pytest

from tradecore.domain.feed_state import FeedState
from tradecore.engine.timeline import SystemClock
from tradecore.testing.recording_sink import RecordingSink
from tradecore.testing.scripted_binance import ScriptedBinance
from tradecore.testing.scripted_kraken import ScriptedKraken
from tradecore.venues.connection_settings import ConnectionSettings

pytestmark = pytest.mark.loopback


@pytest.mark.parametrize("skin_class", [ScriptedBinance, ScriptedKraken])
async def test_trades_come_through_a_lost_connection_on_real_sockets(skin_class: Any) -> None:
    clock = SystemClock()
    settings = ConnectionSettings(reconnect_min_s=0.01, reconnect_max_s=0.05)
    async with skin_class(clock, "127.0.0.1").open() as skin:
        venue, sink, trades = skin.make_venue(settings), RecordingSink(clock), skin.stream("trade_tick")
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                await tasks.start(venue.run, sink)
                await venue.subscribe(trades)
                for number in range(1, 1_001):
                    await skin.publish_trade(number)
                await sink.wait_for(lambda: len(sink.events(trades)) == 1_000)
                skin.drop()
                await sink.wait_for(lambda: sink.states(trades).count(FeedState.CONNECTED) == 2)
                await skin.publish_trade(1_001)
                await sink.wait_for(lambda: len(sink.events(trades)) == 1_001)
                pages = [page async for page in venue.read_history(trades, start=0, end=clock.wall_ns())]
                assert abs(await venue.server_time() - clock.wall_ns()) < 10**9
                tasks.cancel_scope.cancel()
    numbers = [venue.identity(trades, event) for event in sink.events(trades)]
    assert numbers == list(range(1, 1_002))
    assert [venue.identity(trades, tick) for page in pages for tick in page] == numbers
    stamps = [event.ts_received for event in sink.events(trades)]
    assert all(earlier < later for earlier, later in pairwise(stamps))
