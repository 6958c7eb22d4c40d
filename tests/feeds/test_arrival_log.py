"""ArrivalLog: what was received comes back as it was; a log that was cut or changed says so, and never lies."""

from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.stream import Stream
from tradecore.errors import RecordingFailed, RecordingUnreadable
from tradecore.feeds import arrival_log
from tradecore.feeds.arrival_codec import Withheld
from tradecore.feeds.arrival_log import ArrivalLog, ArrivalLogReader, read_arrivals
from tradecore.feeds.identity_join import Question
from tradecore.feeds.live_buffer import HistoryAnswer, OwnArrival
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick

TRADES = Stream("trade_tick", "TEST.SIM")


@dataclass(frozen=True)
class News:
    """An event class of a user."""

    dt_event: datetime
    text: str


def make_arrivals() -> list[Any]:
    """One of each kind, received at 1 to 7."""
    answer = HistoryAnswer(6, TRADES, Question(3, 5, 1, 2), (make_trade_tick(4, trade_id="4", received=5),), 99)
    own = OwnArrival(7, 6, News(datetime(2024, 1, 2, tzinfo=UTC), "up"), "news")
    return [
        make_trade_tick(1, trade_id="3", received=1),
        make_quote_tick(2, received=2),
        make_bar(3, 100.0, received=3),
        FeedStateChanged(TRADES, FeedState.GAP, 4, "1 missing"),
        answer,
        own,
    ]


def write_log(path: Path, arrivals: list[Any], *, block: int = 2) -> None:
    log = ArrivalLog(path)
    for number, arrival in enumerate(arrivals, 1):
        log.append(number, 0, arrival)
        if number % block == 0:
            log.flush()
    log.close()
    assert log.written == len(arrivals)


def read_all(path: Path) -> list[Any]:
    return [arrival for block in read_arrivals(path) for arrival in block.arrivals]


def test_every_kind_of_arrival_comes_back_with_number_and_raw_stamp(tmp_path: Path) -> None:
    arrivals = make_arrivals()
    write_log(tmp_path / "a.log", arrivals)
    blocks = list(read_arrivals(tmp_path / "a.log"))
    assert [block.first for block in blocks] == [1, 3, 5]
    assert [raw for block in blocks for raw in block.raw_ns] == [0] * 6
    assert read_all(tmp_path / "a.log") == arrivals


def test_a_users_event_that_cannot_be_written_is_withheld_in_its_place(tmp_path: Path) -> None:
    """The trades around it are more than it is worth; who replays can see that it is missing."""

    class Local:
        pass

    arrivals = [make_trade_tick(1, received=1), OwnArrival(2, 2, Local(), "own"), make_trade_tick(3, received=3)]
    write_log(tmp_path / "a.log", arrivals)
    first, withheld, last = read_all(tmp_path / "a.log")
    assert (first, last) == (arrivals[0], arrivals[2])
    assert isinstance(withheld.event, Withheld)
    assert withheld.event.kind.endswith("Local")


def test_a_users_class_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_log(tmp_path / "a.log", make_arrivals())
    monkeypatch.delitem(globals(), "News")
    with pytest.raises(RecordingUnreadable, match=r"recorded as .*:News.*replay with the code that was recorded"):
        read_all(tmp_path / "a.log")


def test_a_reader_follows_a_log_that_is_being_written(tmp_path: Path) -> None:
    arrivals = make_arrivals()
    log = ArrivalLog(tmp_path / "a.log")
    with ArrivalLogReader(log.path) as reader:
        assert reader.read_block() is None
        log.append(1, 0, arrivals[0])
        assert reader.read_block() is None, "it waits in memory"
        log.flush()
        block = reader.read_block()
        assert block is not None
        assert block.arrivals == arrivals[:1]
        assert reader.rest_bytes == 0
    log.close()


def test_a_log_cut_at_any_byte_gives_its_whole_blocks(tmp_path: Path) -> None:
    """6 arrivals in 3 blocks: a prefix of whole blocks comes back, whatever byte is the last."""
    write_log(tmp_path / "a.log", make_arrivals())
    whole = (tmp_path / "a.log").read_bytes()
    met = set()
    for length in range(len(whole)):
        cut = tmp_path / "cut.log"
        cut.write_bytes(whole[:length])
        if length < 21:  # the line that every log begins with
            with pytest.raises(RecordingUnreadable, match="is no log of arrivals"):
                read_all(cut)
            continue
        found = read_all(cut)
        assert found == make_arrivals()[: len(found)]
        met.add(len(found))
    assert met == {0, 2, 4}


def test_a_changed_byte_is_never_taken_for_data(tmp_path: Path) -> None:
    """Each bit of a block's content is under its checksum; in its length it makes the block not there, or wrong."""
    write_log(tmp_path / "a.log", make_arrivals(), block=6)
    whole = (tmp_path / "a.log").read_bytes()
    for place in range(21, len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 4
        (tmp_path / "b.log").write_bytes(changed)
        try:
            assert read_all(tmp_path / "b.log") == [], f"byte {place}"
        except RecordingUnreadable as error:
            assert "was changed" in str(error)  # noqa: PT017


class SmallDisk(FileIO):
    """Takes 300 bytes."""

    def write(self, block: Any) -> int:
        room = 300 - self.tell()
        if room <= 0:
            raise OSError(28, "No space left on device")
        return super().write(bytes(block)[:room])


def fill_disk(log: ArrivalLog) -> None:
    """A block for each arrival, until there is no room."""
    for number in range(1, 1_000):
        log.append(number, 0, make_trade_tick(number, float(number), received=number))
        log.flush()


def test_a_full_disk_keeps_whole_blocks_and_says_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival_log, "FileIO", SmallDisk)
    log = ArrivalLog(tmp_path / "a.log")
    with pytest.raises(RecordingFailed, match=r"No space left on device\); the [0-9]+ before are kept") as caught:
        fill_disk(log)
    assert caught.value.kept == log.written > 0
    assert len(read_all(tmp_path / "a.log")) == log.written
    log.close()


def test_a_log_is_never_written_over(tmp_path: Path) -> None:
    write_log(tmp_path / "a.log", make_arrivals())
    with pytest.raises(RecordingFailed, match="File exists"):
        ArrivalLog(tmp_path / "a.log")
