"""Every fault is seen by the client, and counted: what a test counts can be held against what was injected."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.errors import LocalVenueError
from tradecore.testing.local_venue import Fault, SyntheticSource, parse_fault

DriveVenue = Callable[..., Any]
Make = Callable[..., Any]

START_NS = 1_704_189_600 * SECOND_NS
STREAM = "btcusdt@trade"


@pytest.fixture
async def venue(drive_venue: DriveVenue, make_trade: Make) -> Any:
    """A trade each 100 ms for 20 s, ids 1 to 200."""
    return await drive_venue([make_trade(0.1 * n, "100", "1") for n in range(1, 201)], seed=11)


async def play_with(venue: Any, *faults: str, until: float = 21) -> list[str]:
    client = venue.connect(f"/ws/{STREAM}")
    for fault in faults:
        venue.venue.add_fault(fault)
    await venue.to(until)
    return list(client.recv_waiting())


def list_ids(frames: list[str]) -> list[int]:
    return [json.loads(frame)["t"] for frame in frames]


async def test_without_faults_all_comes_once_and_in_order(venue: Any) -> None:
    assert list_ids(await play_with(venue)) == list(range(1, 201))
    assert venue.venue.fault_counts == {}


async def test_as_many_duplicates_are_seen_as_were_injected(venue: Any) -> None:
    ids = Counter(list_ids(await play_with(venue, "duplicate p=0.2")))
    assert set(ids) == set(range(1, 201))
    repeated = sum(count - 1 for count in ids.values())
    assert repeated == venue.venue.fault_counts["duplicate"] > 20


async def test_a_reordered_frame_comes_after_the_next_one_and_none_is_lost(venue: Any) -> None:
    ids = list_ids(await play_with(venue, "reorder p=0.1"))
    assert sorted(ids) == list(range(1, 201))
    steps_back = sum(after < before for before, after in pairwise(ids))
    assert steps_back == venue.venue.fault_counts["reorder"] > 5


async def test_a_frame_held_back_at_the_end_goes_out_after_a_second(venue: Any) -> None:
    """The last trade has no next one that could overtake it."""
    ids = list_ids(await play_with(venue, "reorder at=19.95"))
    assert ids == list(range(1, 201))
    assert venue.venue.fault_counts == {}, "no frame came out of order"


async def test_a_gap_loses_so_many_frames_in_a_row(venue: Any) -> None:
    ids = list_ids(await play_with(venue, "gap at=5 count=1 frames=3"))
    # At 5.0 s the 50th is lost, and the two after it.
    assert sorted(set(range(1, 201)) - set(ids)) == [50, 51, 52]
    assert venue.venue.play.faults.topic_counts["lost", STREAM] == 3


async def test_a_muted_topic_is_silent_while_others_go_on(venue: Any) -> None:
    other = venue.connect("/ws/btcusdt@kline_1m")
    ids = list_ids(await play_with(venue, f"mute at=5 for=5 topic={STREAM}"))
    # from 5.0 to 9.9 s: 50 to 99
    assert ids == [*range(1, 50), *range(100, 201)]
    assert len(other.recv_waiting()) == 10
    assert venue.venue.fault_counts == {"mute": 50}


async def test_garbage_comes_between_whole_frames(venue: Any) -> None:
    frames = await play_with(venue, "garbage p=0.3")
    whole = [frame for frame in frames if frame.startswith('{"e":"trade","E":')]
    assert list_ids(whole) == list(range(1, 201))
    assert len(frames) - 200 == venue.venue.fault_counts["garbage"] > 30


async def test_a_partial_frame_is_half_of_one_that_is_lost(venue: Any) -> None:
    frames = await play_with(venue, "partial p=0.1")
    broken = [frame for frame in frames if not frame.endswith("}")]
    assert len(frames) == 200
    assert len(broken) == venue.venue.fault_counts["partial"] > 5
    for frame in broken:
        with pytest.raises(json.JSONDecodeError):
            json.loads(frame)


async def test_a_dropped_connection_ends_without_a_word(venue: Any) -> None:
    client = venue.connect(f"/ws/{STREAM}")
    venue.venue.add_fault("drop at=2")
    await venue.to(3)
    assert client.closing == (1_006, "")
    again = venue.connect(f"/ws/{STREAM}")
    await venue.to(4)
    assert list_ids(again.recv_waiting())[0] == 31


async def test_a_fault_may_come_again_and_again(venue: Any) -> None:
    closings = []
    venue.venue.add_fault("close at=1 every=5 code=1012")
    for second in range(1, 17):
        client = venue.connect("/ws")
        await venue.to(second)
        closings.append(client.closing)
    assert [at for at, closing in enumerate(closings, 1) if closing] == [1, 6, 11, 16]
    assert closings[0] == (1_012, "going away")


async def test_a_cut_gives_notice_and_then_ends_the_session(venue: Any) -> None:
    client = venue.connect("/ws")
    venue.venue.add_fault("cut at=2 seconds=3")
    await venue.to(4.9)
    assert json.loads(client.recv_waiting()[0])["e"] == "serverShutdown"
    assert client.closing is None
    await venue.to(5)
    assert client.closing == (1_001, "session over")


async def test_a_stall_keeps_everything_back_and_then_gives_it(venue: Any) -> None:
    client = venue.connect(f"/ws/{STREAM}")
    venue.venue.add_fault("stall at=2.05 for=5")
    await venue.to(3)
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert list_ids(client.recv_waiting()) == []
    await venue.to(8)
    frames = client.recv_waiting()
    assert f'{{"result":["{STREAM}"],"id":1}}' in frames
    assert list_ids([frame for frame in frames if '"e":"trade"' in frame]) == list(range(1, 81))


async def test_a_half_open_connection_loses_both_ways_and_stays_open(venue: Any) -> None:
    client = venue.connect(f"/ws/{STREAM}")
    await venue.to(1)
    client.recv_waiting()
    venue.venue.add_fault("half_open")
    await venue.to(10)
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    await venue.to(12)
    assert client.recv_waiting() == []
    assert client.closing is None
    venue.venue.heal("half_open")
    await venue.to(13)
    assert list_ids(client.recv_waiting()) == list(range(121, 131))


async def test_a_deaf_venue_answers_no_request(venue: Any) -> None:
    client = venue.connect("/ws")
    venue.venue.add_fault("deaf for=2")
    client.send('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')
    await venue.to(3)
    assert client.recv_waiting() == []
    client.send('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":2}')
    assert client.recv_waiting() == ['{"result":null,"id":2}']
    assert venue.venue.fault_counts == {"deaf": 1}


async def test_late_history_has_not_what_happened_last(venue: Any) -> None:
    await venue.to(10)
    venue.venue.add_fault("late_history seconds=3")
    newest = venue.get("/api/v3/trades?symbol=BTCUSDT&limit=1")[0]["id"]
    assert newest == 70, "of 7.0 s"
    assert venue.get("/0/public/Trades?pair=XBTUSDT")["result"]["XBTUSDT"][-1][6] == 70
    assert venue.get("/api/v3/klines?symbol=BTCUSDT&interval=1s")[-1][0] == START_NS // 10**6 + 6_000
    venue.venue.heal()
    assert venue.get("/api/v3/trades?symbol=BTCUSDT&limit=1")[0]["id"] == 100


async def test_slow_history_answers_late_and_all_else_at_once(venue: Any) -> None:
    venue.venue.add_fault("slow_history seconds=3")
    client = venue.connect("/ws-api/v3")
    client.send('{"id":1,"method":"klines","params":{"symbol":"BTCUSDT","interval":"1m"}}')
    client.send('{"id":2,"method":"time"}')
    await venue.to(2.9)
    assert [json.loads(frame)["id"] for frame in client.recv_waiting()] == [2]
    await venue.to(3)
    assert [json.loads(frame)["id"] for frame in client.recv_waiting()] == [1]
    assert venue.venue.request("GET", "/0/public/Trades?pair=XBTUSDT").delay_s == 3.0


async def test_a_clock_that_is_off_changes_what_time_it_says_but_not_when_things_happened(venue: Any) -> None:
    venue.venue.add_fault("clock_offset seconds=-2.5")
    client = venue.connect(f"/ws/{STREAM}")
    await venue.to(1)
    trade = json.loads(client.recv_waiting()[-1])
    assert trade["T"] - trade["E"] == 2_500
    assert venue.get("/api/v3/time")["serverTime"] == START_NS // 10**6 + 1_000 - 2_500


async def test_plain_requests_are_refused_as_handshakes_are(venue: Any) -> None:
    venue.venue.add_fault("refuse code=418 retry_after=120 dialect=binance")
    answer = venue.venue.request("GET", "/api/v3/time")
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (418, "120")
    assert venue.venue.request("GET", "/0/public/Time").status == 200
    assert venue.venue.request("GET", "/tradecore/clock").status == 200, "faults must be healable"


async def test_a_wrong_checksum_is_of_kraken_books_alone(drive_venue: DriveVenue) -> None:
    venue = await drive_venue(source=SyntheticSource(START_NS, seed=5, history_ns=MINUTE_NS))
    good, bad = venue.connect("/v2"), venue.connect("/v2")
    request = '{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":10}}'
    good.send(request)
    await venue.to(1)
    venue.venue.add_fault("crc count=1 topic=book:*")
    bad.send(request)
    await venue.to(2)
    broken = json.loads(bad.recv_waiting()[2])["data"][0]
    assert venue.venue.fault_counts == {"crc": 1}
    venue.venue.heal()
    again = venue.connect("/v2")
    again.send(request)
    assert json.loads(again.recv_waiting()[2])["data"][0]["checksum"] != broken["checksum"]


async def test_a_client_that_reads_too_slowly_is_cut_off(drive_venue: DriveVenue, make_trade: Make) -> None:
    venue = await drive_venue([make_trade(0.1 * n, "100", "1") for n in range(1, 100)], outbox_frames=10)
    slow, quick = venue.connect(f"/ws/{STREAM}"), venue.connect(f"/ws/{STREAM}")
    for second in (0.5, 1, 1.5, 2):
        await venue.to(second)
        assert len(quick.recv_waiting()) == 5
    assert slow.closing == (1_008, "too slow")
    assert venue.venue.fault_counts == {"slow_consumer": 1}


async def test_the_same_seed_hits_the_same_frames(drive_venue: DriveVenue, make_trade: Make) -> None:
    runs = []
    for seed in (1, 1, 2):
        venue = await drive_venue([make_trade(0.1 * n, "100", "1") for n in range(1, 100)], seed=seed)
        runs.append(await play_with(venue, "duplicate p=0.3", "reorder p=0.3", "garbage p=0.1"))
    assert runs[0] == runs[1] != runs[2]


async def test_faults_can_be_planned_counted_and_healed_over_http(venue: Any) -> None:
    ask = venue.venue.request
    body = json.dumps({"kind": "mute", "for": 5, "topic": STREAM}).encode()
    planned = ask("POST", "/tradecore/faults", body, "application/json")
    assert json.loads(planned.body)["active"] == [
        {"kind": "mute", "at_s": 0.0, "for_s": 5.0, "chance": 1.0, "topic": STREAM, "frames": 1}
    ]
    client = venue.connect(f"/ws/{STREAM}")
    await venue.to(1)
    assert client.recv_waiting() == []
    healed = json.loads(ask("DELETE", "/tradecore/faults").body)
    assert healed == {"active": [], "counts": {"mute": 10}, "topics": {f"mute {STREAM}": 10}}
    refused = ask("POST", "/tradecore/faults", b'{"kind":"dance"}', "application/json")
    assert refused.status == 400
    assert "expected one of drop, close" in json.loads(refused.body)["error"]


async def test_truth_and_clock_can_be_read_over_http(venue: Any) -> None:
    await venue.to(0.35)
    assert venue.get("/tradecore/truth?symbol=BTCUSDT&from_id=2") == [
        [2, START_NS + 200_000_000, "100.00", "1.000", False],
        [3, START_NS + 300_000_000, "100.00", "1.000", False],
    ]
    assert venue.get("/tradecore/clock") == {"epoch_ns": START_NS, "rate": 1.0, "now_ns": START_NS + 350_000_000}
    assert venue.get("/tradecore/status")["pairs"] == ["BTCUSDT"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dance", "fault 'dance' is unknown; expected one of drop"),
        ("mute at", "'at' cannot be read; expected NAME=VALUE"),
        ("mute at=soon", "Expected `float`"),
        ("mute colour=red", "it may have: at"),
        ("mute p=0", "expected above 0"),
        ("mute at=-1", "expected seconds of at least 0"),
        ("mute every=5", "needs for=SECONDS"),
        ("mute every=5 for=6", "must be longer"),
        ("gap frames=0", "at least 1"),
        ("late_history", "needs seconds=NUMBER"),
    ],
)
def test_a_fault_that_cannot_be_meant_is_named(text: str, says: str) -> None:
    with pytest.raises(LocalVenueError, match="fault") as caught:
        parse_fault(text)
    assert says in str(caught.value)


def test_words_and_fields_say_the_same() -> None:
    assert parse_fault("refuse at=2 for=3 code=429 retry_after=1 p=0.5") == Fault(
        kind="refuse", at_s=2, for_s=3, code=429, retry_after=1, chance=0.5
    )
