"""FrameLog: frames by day, readable whatever comes between; a full disk leaves what was whole."""

import gzip
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from tradecore.domain.instant import DAY_NS, SECOND_NS, parse_ns
from tradecore.errors import RecordingFailed
from tradecore.journal import frame_log
from tradecore.journal.frame_log import FrameLog

NIGHT = parse_ns("2024-01-02T23:59:59Z")


def read_lines(path: Path) -> list[bytes]:
    with gzip.open(path, "rb") as lines:
        return [line.rstrip(b"\n") for line in lines]


def test_each_day_has_its_file_and_each_line_time_and_frame(tmp_path: Path) -> None:
    log = FrameLog(tmp_path)
    log.append(NIGHT, '{"e":1}')
    log.append(NIGHT + SECOND_NS, b'{"e":\n2}')
    log.append(NIGHT + DAY_NS, b"\xff\x00 no json")
    log.close()
    assert read_lines(tmp_path / "frames-20240102.jsonl.gz") == [b'%d {"e":1}' % NIGHT]
    assert read_lines(tmp_path / "frames-20240103.jsonl.gz") == [
        b'%d {"e": 2}' % (NIGHT + SECOND_NS), b"%d \xff\x00 no json" % (NIGHT + DAY_NS),
    ]  # fmt: skip


def test_a_clock_that_goes_back_over_midnight_goes_on_in_the_file_of_that_day(tmp_path: Path) -> None:
    log = FrameLog(tmp_path)
    for at_ns in (NIGHT, NIGHT + SECOND_NS, NIGHT + 1):
        log.append(at_ns, "{}")
    log.close()
    assert read_lines(tmp_path / "frames-20240102.jsonl.gz") == [b"%d {}" % NIGHT, b"%d {}" % (NIGHT + 1)]


def test_what_was_flushed_is_readable_while_the_recording_goes_on(tmp_path: Path) -> None:
    log = FrameLog(tmp_path)
    log.append(NIGHT, "{}")
    log.flush()
    log.append(NIGHT + 1, "{}")
    assert read_lines(tmp_path / "frames-20240102.jsonl.gz") == [b"%d {}" % NIGHT]
    log.close()
    assert len(read_lines(tmp_path / "frames-20240102.jsonl.gz")) == 2


def test_memory_holds_at_most_one_member(tmp_path: Path) -> None:
    """Lines of 20 + 1,000 bytes + the line end: the 65th makes 66,365, more than 65,536, and is written."""
    log = FrameLog(tmp_path)
    sizes = []
    for _ in range(66):
        log.append(NIGHT, b"x" * 1_000)
        sizes.append((tmp_path / "frames-20240102.jsonl.gz").stat().st_size)
    log.close()
    assert [number for number, size in enumerate(sizes, 1) if size][:1] == [65]


class SmallDisk(FileIO):
    """Takes 100 bytes."""

    def write(self, block: Any) -> int:
        room = 100 - self.tell()
        if room <= 0:
            raise OSError(28, "No space left on device")
        return super().write(bytes(block)[:room])


def fill_disk(log: FrameLog) -> None:
    """A member for each frame, until there is no room."""
    for number in range(1_000):
        log.append(NIGHT + number, b"{}")
        log.flush()


def test_a_full_disk_leaves_whole_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_log, "FileIO", SmallDisk)
    log = FrameLog(tmp_path)
    with pytest.raises(RecordingFailed, match="No space left") as caught:
        fill_disk(log)
    assert len(read_lines(tmp_path / "frames-20240102.jsonl.gz")) == caught.value.kept == log.frames - 1 > 0
    log.close()


def test_a_folder_that_is_gone_is_a_typed_error(tmp_path: Path) -> None:
    log = FrameLog(tmp_path / "gone")
    with pytest.raises(RecordingFailed, match=r"gone/frames-20240102\.jsonl\.gz: cannot be written"):
        log.append(NIGHT, "{}")
