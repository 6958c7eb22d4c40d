"""Real frames, played by the venue: every id once, in order, at their instants; and logs that are damaged."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tradecore.domain.instant import SECOND_NS
from tradecore.errors import LocalVenueError
from tradecore.testing.local_venue import FrameSource, LocalVenue
from tradecore.testing.local_venue.venue_action import PrintTrade

OpenVenue = Callable[..., Any]

RECORDING = "frames/binance_usdm_btcusdt_20240808.jsonl.gz"


@pytest.fixture(scope="module")
def recording() -> Path:
    folder = os.environ.get("TRADECORE_DATA")
    if folder is None:
        pytest.skip("TRADECORE_DATA is not set; it names the folder of real market data")
    return Path(folder) / RECORDING


def read_recorded_ids(path: Path) -> list[int]:
    with gzip.open(path, "rt") as lines:
        frames = (json.loads(line.partition(" ")[2]).get("data", {}) for line in lines)
        return [frame["t"] for frame in frames if frame.get("e") == "trade"]


@pytest.mark.real_data
async def test_the_recording_is_published_whole_and_nothing_before_it_happened(recording: Path) -> None:
    """93,954 frames: 21,313 trades, 66,089 best prices, 6,551 book changes, one book."""
    source = FrameSource(recording, history_ns=400 * SECOND_NS)
    assert source.shift_ns == pytest.approx(1.27 * SECOND_NS, abs=0.01 * SECOND_NS), "the recorder's clock was behind"
    venue = LocalVenue(source, monotonic_ns=lambda: 0)
    await venue.play.prepare()
    truth = venue.truth()
    trades = truth.trades("BTCUSDT")
    assert [trade.trade_id for trade in trades] == read_recorded_ids(recording)
    assert len(truth.quotes("BTCUSDT")) == 66_089
    assert all(event.at_ns >= event.event_ns for event in truth.events)
    assert all(before.at_ns <= after.at_ns for before, after in pairwise(truth.events))
    changes = truth.book_changes("BTCUSDT")
    assert all(after.first_id == before.last_id + 1 for before, after in pairwise(changes))
    assert 6_500 < len(changes) <= 6_552


@pytest.mark.real_data
@pytest.mark.loopback
@pytest.mark.slow
async def test_all_frames_come_over_a_real_socket_at_40_times_their_speed(
    recording: Path, local_venue: OpenVenue
) -> None:
    """345 s of the real market in some nine of ours: every trade and quote once, in order."""
    source = FrameSource(recording)
    trades, quotes, book_ids = [], [], []
    last_id = max(action.trade_id or 0 for action in source.actions if type(action) is PrintTrade)
    async with local_venue(source, speed=40, lead_ns=60 * SECOND_NS) as server:
        streams = "btcusdt@trade/btcusdt@bookTicker/btcusdt@depth@100ms"
        url = f"{server.urls['binance_stream']}/stream?streams={streams}"
        async with connect(url, proxy=None, max_queue=None) as socket:
            async for text in socket:
                frame = json.loads(text)
                if frame["stream"] == "btcusdt@trade":
                    trades.append(frame["data"]["t"])
                    if trades[-1] == last_id:
                        break
                elif frame["stream"] == "btcusdt@bookTicker":
                    quotes.append(frame["data"]["u"])
                else:
                    book_ids.append((frame["data"]["U"], frame["data"]["u"]))
    assert trades == read_recorded_ids(recording)
    shown = [quote.update_id for quote in server.venue.truth().quotes("BTCUSDT")]
    assert quotes == shown[: len(quotes)]
    assert len(shown) - len(quotes) < 500, "those after the last trade were not waited for"
    assert all(after[0] == before[1] + 1 for before, after in pairwise(book_ids))


GOOD = '100 {"stream":"s","data":{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":5,"p":"61800.30","q":"0.006","m":false}}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (GOOD + "\n200 {broken\n", "line 2"),
        (GOOD + "\nno time {}\n", "line 2"),
        (GOOD + "\n" + GOOD.replace("BTCUSDT", "ETHUSDT") + "\n", "frames of 2 pairs (BTCUSDT, ETHUSDT)"),
        (GOOD + "\n" + GOOD.replace("61800.30", "61800.3") + "\n", "price '61800.3' has other digits"),
    ],
)
def test_a_damaged_log_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    log = tmp_path / "frames.jsonl"
    log.write_text(text)
    with pytest.raises(LocalVenueError) as caught:
        FrameSource(log)
    assert says in str(caught.value)


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    log = tmp_path / "frames.jsonl.gz"
    log.write_bytes(gzip.compress((GOOD + "\n").encode() * 100)[:-30])
    with pytest.raises(LocalVenueError, match=r"frames\.jsonl\.gz cannot be read"):
        FrameSource(log)


def test_increments_are_learned_from_the_numbers(tmp_path: Path) -> None:
    log = tmp_path / "frames.jsonl"
    log.write_text(
        GOOD + "\n" + GOOD.replace("61800.30", "61800.50").replace("0.006", "0.010").replace('"t":5', '"t":6')
    )
    (instrument,) = FrameSource(log).instruments
    # 6180030 and 6180050 hundredths have the common divisor 10; 6 and 10 thousandths 2.
    assert (str(instrument.prices.increment), str(instrument.sizes.increment)) == ("0.10", "0.002")
