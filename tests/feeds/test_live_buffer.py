"""LiveBuffer: one ingest point, one order, bounded memory, and no loss without a word."""

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError, SpillFailed
from tradecore.feeds import live_buffer
from tradecore.feeds.live_buffer import LiveBuffer, OnFull, OwnArrival, arrived_ns
from tradecore.feeds.spill_codec import decode_block, encode_block
from tradecore.feeds.spill_file import DiskSpillFile
from tradecore.testing.builders import make_bar, make_depth, make_quote_tick, make_trade_tick

TRADES = Stream("trade_tick", "TEST.SIM")
QUOTES = Stream("quote_tick", "TEST.SIM")


class StillClock:
    """Says what it is told."""

    def __init__(self, now: int = 1_000) -> None:
        self.now = now

    def wall_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.now


class FakeSpillFile:
    """A file in memory that is full after so many blocks."""

    name = "a fake spill file"

    def __init__(self, blocks_max: int = 10**9) -> None:
        self.blocks_max = blocks_max
        self.blocks: list[bytes] = []
        self.appended = 0
        self.is_closed = False

    def append(self, block: bytes) -> int:
        if len(self.blocks) >= self.blocks_max:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.blocks.append(block)
        self.appended += 1
        return len(self.blocks) - 1

    def read(self, place: int, length: int) -> bytes:
        block = self.blocks[place]
        assert len(block) == length
        return block

    def clear(self) -> None:
        self.blocks.clear()

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_buffer, "BLOCK_ARRIVALS", 4)


def put_trades(buffer: LiveBuffer, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        buffer.put(TRADES, make_trade_tick(number, trade_id=str(number), received=buffer.stamp()))


def read_all(buffer: LiveBuffer, limit: int = 1_000) -> list[Any]:
    arrivals: list[Any] = []
    while batch := buffer.take(limit):
        assert len(batch) <= limit
        arrivals += batch
    return arrivals


def ids(arrivals: list[Any]) -> list[int]:
    return [int(one.trade_id) for one in arrivals if type(one) is not FeedStateChanged]


def test_stamps_strictly_increase_when_the_clock_stands_or_goes_back() -> None:
    """1000, 1000, 400 (a step back), 2000 by the clock: 1000, 1001, 1002, 2000 by the stamp."""
    clock = StillClock(1_000)
    buffer = LiveBuffer(clock)
    stamps = [buffer.stamp(), buffer.stamp()]
    clock.now = 400
    stamps.append(buffer.stamp())
    clock.now = 2_000
    stamps.append(buffer.stamp())
    assert stamps == [1_000, 1_001, 1_002, 2_000]
    assert buffer.clock_steps == 1


def test_stamps_begin_after_what_the_run_has_stamped_before() -> None:
    assert LiveBuffer(StillClock(1_000), after_ns=5_000).stamp() == 5_001


def test_events_and_states_keep_their_places_in_one_order() -> None:
    buffer = LiveBuffer(StillClock())
    put_trades(buffer, 1)
    buffer.put_state(QUOTES, FeedState.STALE, "no frame for 5 s")
    buffer.put(QUOTES, make_quote_tick(5, received=buffer.stamp()))
    trade, state, quote = read_all(buffer)
    assert state == FeedStateChanged(QUOTES, FeedState.STALE, 1_001, "no frame for 5 s")
    assert [arrived_ns(one) for one in (trade, state, quote)] == [1_000, 1_001, 1_002]


@pytest.mark.parametrize("arrival", ["event", "state", "end"])
async def test_a_waiting_reader_is_woken(arrival: str) -> None:
    buffer = LiveBuffer(StillClock())
    reader = asyncio.Task(buffer.next_batch(10))
    await asyncio.sleep(0)
    assert not reader.done()
    if arrival == "event":
        put_trades(buffer, 1)
    elif arrival == "state":
        buffer.put_state(TRADES, FeedState.STALE, "")
    else:
        buffer.close()
    assert len(await reader) == (0 if arrival == "end" else 1)


async def test_a_cancelled_read_has_consumed_nothing() -> None:
    """Even if an event arrives in the same turn of the loop as the cancellation."""
    buffer = LiveBuffer(StillClock())
    reader = asyncio.Task(buffer.next_batch(10))
    await asyncio.sleep(0)
    put_trades(buffer, 1)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert ids(await buffer.next_batch(10)) == [0]


async def test_the_first_event_of_a_watched_stream_is_told() -> None:
    """Phase A takes it for the pivot."""
    buffer = LiveBuffer(StillClock())
    seen = buffer.watch(TRADES)
    buffer.put(QUOTES, make_quote_tick(1, received=buffer.stamp()))
    assert not seen.is_set()
    put_trades(buffer, 2, first=7)
    await seen.wait()
    assert buffer.first_events[TRADES].trade_id == "7"


def test_lag_and_depth_are_those_of_what_waits() -> None:
    """One trade at 1,000 ns, read at 4,000: a lag of 3,000 ns."""
    clock = StillClock(1_000)
    buffer = LiveBuffer(clock)
    assert (buffer.lag_ns, buffer.depth) == (0, 0)
    put_trades(buffer, 3)
    clock.now = 4_000
    assert (buffer.lag_ns, buffer.depth) == (3_000, 3)
    assert len(buffer.take(2)) == 2
    assert (buffer.lag_max_ns, buffer.depth_max, buffer.depth) == (3_000, 3, 1)


def test_what_memory_cannot_hold_goes_to_the_file_and_comes_back_in_order(small_blocks: None) -> None:
    """Capacity 10, blocks of 4: of 31 trades 10 stay in the head, 20 go to the file in 5 blocks, 1 is in the tail."""
    spill = FakeSpillFile()
    buffer = LiveBuffer(StillClock(), capacity=10, spill=spill)
    put_trades(buffer, 31)
    assert (buffer.depth, buffer.spilled, len(spill.blocks)) == (31, 20, 5)
    assert ids(read_all(buffer, 7)) == list(range(31))
    assert (buffer.depth, buffer.spilled, len(spill.blocks)) == (0, 0, 0)
    put_trades(buffer, 3, first=31)
    assert ids(read_all(buffer)) == [31, 32, 33]
    assert spill.appended == 5  # drained, it is in memory again


def test_memory_is_flat_however_long_the_reader_stays_away(small_blocks: None) -> None:
    buffer = LiveBuffer(StillClock(), capacity=10, spill=FakeSpillFile())
    for round_ in range(50):
        put_trades(buffer, 100, first=100 * round_)
        assert len(buffer._head) + len(buffer._tail) <= 10 + 4
    assert ids(read_all(buffer)) == list(range(5_000))


@given(
    capacity=st.integers(1, 12),
    block=st.integers(1, 6),
    steps=st.lists(st.tuples(st.sampled_from(["put", "take", "peek"]), st.integers(1, 15)), max_size=60),
)
@settings(deadline=None)
def test_any_mix_of_puts_reads_and_peeks_keeps_the_one_order(
    capacity: int, block: int, steps: list[tuple[str, int]]
) -> None:
    """Against a plain list: reading takes from its front, peeking changes nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_buffer, "BLOCK_ARRIVALS", block)
        buffer = LiveBuffer(StillClock(), capacity=capacity, spill=FakeSpillFile())
        put = taken = 0
        for step, count in steps:
            if step == "put":
                put_trades(buffer, count, first=put)
                put += count
            elif step == "take":
                batch = ids(buffer.take(count))
                assert batch == list(range(taken, taken + len(batch)))
                assert batch or taken == put
                taken += len(batch)
            else:
                at, peeked = taken, []
                while found := ids(buffer.peek(at, count)):
                    peeked += found
                    at += len(found)
                assert peeked == list(range(taken, put))
            assert buffer.depth == put - taken
        assert ids(read_all(buffer)) == list(range(taken, put))


def test_peeking_at_what_was_read_is_refused() -> None:
    buffer = LiveBuffer(StillClock())
    put_trades(buffer, 3)
    buffer.take(2)
    with pytest.raises(FeedError, match="arrival 1 has been read already; the oldest that waits is 2"):
        buffer.peek(1, 10)


@pytest.mark.parametrize("on_full", ["halt", "degrade"])
def test_a_full_disk_is_a_declared_gap_in_its_place(on_full: OnFull, small_blocks: None) -> None:
    """Capacity 4, one block of 4 fits the disk: trades 0-3 in memory, 4-7 in the file, 8-11 in the tail, 12-19 lost."""
    buffer = LiveBuffer(StillClock(), capacity=4, spill=FakeSpillFile(blocks_max=1), on_full=on_full)
    put_trades(buffer, 20)
    arrivals = read_all(buffer)
    assert ids(arrivals) == list(range(12))
    gap = arrivals[-1]
    assert (gap.stream, gap.state) == (TRADES, FeedState.GAP)
    assert gap.reason.startswith("8 events received from 1970-01-01T00:00:00.000001012Z")
    assert buffer.lost[TRADES].count == 8


async def test_under_halt_a_full_disk_ends_the_run_once_all_before_is_read(small_blocks: None) -> None:
    buffer = LiveBuffer(StillClock(), capacity=4, spill=FakeSpillFile(blocks_max=0))
    put_trades(buffer, 9)
    assert ids(await buffer.next_batch(100)) == [0, 1, 2, 3]
    rest = await buffer.next_batch(100)
    assert ids(rest) == [4, 5, 6, 7]
    assert rest[-1].state is FeedState.GAP
    put_trades(buffer, 1, first=9)
    with pytest.raises(SpillFailed, match="No space left on device") as failed:
        await buffer.next_batch(100)
    assert failed.value.lost[0].startswith("trade_tick TEST.SIM: 2 events")  # one before the failure, one after
    assert isinstance(failed.value.__cause__, OSError)


async def test_under_degrade_the_buffer_goes_on_behind_the_gap(small_blocks: None) -> None:
    buffer = LiveBuffer(StillClock(), capacity=4, spill=FakeSpillFile(blocks_max=0), on_full="degrade")
    put_trades(buffer, 9)
    read_all(buffer)
    put_trades(buffer, 2, first=9)
    assert ids(await buffer.next_batch(10)) == [9, 10]


def test_states_are_taken_even_when_the_disk_is_full(small_blocks: None) -> None:
    buffer = LiveBuffer(StillClock(), capacity=4, spill=FakeSpillFile(blocks_max=0), on_full="degrade")
    put_trades(buffer, 9)
    buffer.put_state(TRADES, FeedState.RECONNECTING, "closed by the venue")
    states = [one.state for one in read_all(buffer) if type(one) is FeedStateChanged]
    assert states == [FeedState.RECONNECTING, FeedState.GAP]


def test_a_buffer_that_drops_in_silence_is_found_out(monkeypatch: pytest.MonkeyPatch, small_blocks: None) -> None:
    """Planted bug "overflow drops silently": the law is that what was put is read, or counted as lost."""

    def check_law() -> None:
        buffer = LiveBuffer(StillClock(), capacity=4, spill=FakeSpillFile(blocks_max=2), on_full="degrade")
        put_trades(buffer, 40)
        lost = buffer.lost
        read = len(ids(read_all(buffer)))
        assert read + sum((loss.count for loss in lost.values()), 0) == 40

    check_law()
    monkeypatch.setattr(LiveBuffer, "_lose", lambda self, losing, stream, ts: None)
    with pytest.raises(AssertionError):
        check_law()


def test_a_file_that_lost_its_content_is_told_and_nothing_is_skipped(small_blocks: None) -> None:
    spill = FakeSpillFile()
    buffer = LiveBuffer(StillClock(), capacity=4, spill=spill)
    put_trades(buffer, 8)
    spill.blocks[0] = b"\xff" * len(spill.blocks[0])
    assert ids(buffer.take(100)) == [0, 1, 2, 3]
    for _ in range(2):  # it stays an error: what comes next would not be next
        with pytest.raises(FeedError, match="4 live events cannot be read back from a fake spill file"):
            buffer.take(100)


async def test_own_events_wait_while_the_buffer_is_full_and_are_stamped_like_all_others() -> None:
    buffer = LiveBuffer(StillClock(), capacity=2, spill=FakeSpillFile())
    await buffer.put_own("news", 5, "first")
    await buffer.put_own("news", 6, "second")
    third = asyncio.Task(buffer.put_own("news", 7, "third"))
    await asyncio.sleep(0)
    assert not third.done()
    assert buffer.take(1) == [OwnArrival(1_000, 5, "first", "news")]
    await third
    assert [one.event for one in read_all(buffer)] == ["second", "third"]


async def test_own_events_keep_their_place_among_what_is_spilled(small_blocks: None) -> None:
    """Their classes cannot be written, so they stay in memory; the order does not show it."""
    buffer = LiveBuffer(StillClock(), capacity=3, spill=FakeSpillFile())
    put_trades(buffer, 2)
    own = asyncio.Task(buffer.put_own("news", 5, {"any": object()}))
    await own
    put_trades(buffer, 2, first=2)
    buffer._put_any(OwnArrival(buffer.stamp(), 6, "in the middle of a block", "news"))
    put_trades(buffer, 9, first=4)
    kinds = [type(one).__name__ for one in read_all(buffer)]
    assert kinds == ["TradeTick"] * 2 + ["OwnArrival"] + ["TradeTick"] * 2 + ["OwnArrival"] + ["TradeTick"] * 9


def test_every_kind_of_arrival_survives_the_file_bit_for_bit() -> None:
    arrivals: list[Any] = [
        make_bar(1, 0.1 + 0.2, volume=None),
        make_trade_tick(2, 1e-300, trade_id="x7"),
        make_trade_tick(2, 5.0),
        make_quote_tick(-3, 2.0, 1.0, sequence=9),
        make_depth(4, ((1.0, 2.0), (0.5, 3.0)), ()),
        FeedStateChanged(TRADES, FeedState.GAP, 5, "ids 3..4"),
        make_bar(2**62, 7.0, bar_type="IBM.NYSE 100t bid"),
    ]
    back = decode_block(encode_block(arrivals))
    assert back == arrivals
    assert [type(one) for one in back] == [type(one) for one in arrivals]
    assert back[0].bar_type is arrivals[0].bar_type
    assert type(back[4].bids[0]) is tuple


def test_the_file_on_disk_has_no_name_and_goes_with_the_buffer(tmp_path: Path, small_blocks: None) -> None:
    spill = DiskSpillFile(tmp_path)
    buffer = LiveBuffer(StillClock(), capacity=4, spill=spill)
    put_trades(buffer, 100)
    assert buffer.spilled
    assert ids(read_all(buffer)) == list(range(100))
    put_trades(buffer, 100)
    buffer.discard()
    assert (buffer.depth, buffer.take(10)) == (0, [])
    assert list(tmp_path.iterdir()) == []
    assert spill._file is None


def test_a_folder_that_cannot_be_written_is_a_loss_like_a_full_disk(tmp_path: Path, small_blocks: None) -> None:
    buffer = LiveBuffer(StillClock(), capacity=4, spill=DiskSpillFile(tmp_path / "missing"), on_full="degrade")
    put_trades(buffer, 20)
    read_all(buffer)
    assert buffer.lost[TRADES].count == 12  # 4 in memory, 4 in the tail


def test_a_buffer_without_room_is_refused() -> None:
    with pytest.raises(FeedError, match="capacity is 0"):
        LiveBuffer(StillClock(), capacity=0)


def test_a_recorder_hears_frames_and_arrivals_with_what_the_clock_said() -> None:
    heard: list[Any] = []

    class Recorder:
        def note_frame(self, frame: str | bytes) -> None:
            heard.append(frame)

        def note_arrival(self, number: int, raw_ns: int, arrival: Any) -> None:
            heard.append((number, raw_ns, arrival.ts_received))

    buffer = LiveBuffer(StillClock(1_000), recorder=Recorder())
    buffer.put_frame('{"e":"trade"}')
    put_trades(buffer, 2)
    assert heard == ['{"e":"trade"}', (1, 1_000, 1_000), (2, 1_000, 1_001)]
