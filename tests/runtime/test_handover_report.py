"""HandoverReport: one value, the same keys in JSON, a table for a person."""

import json

from tradecore.domain.instant import SECOND_NS
from tradecore.domain.phase import Phase
from tradecore.domain.stream import Stream
from tradecore.feeds.identity_join import IdentityJoin
from tradecore.feeds.live_buffer import LiveBuffer, Loss
from tradecore.feeds.state_join import StateJoin
from tradecore.journal.plain_json import to_json_text
from tradecore.runtime.handover_report import HandoverReport, PhaseSpan
from tradecore.testing.builders import make_quote_tick, make_trade_tick


class StillClock:
    def wall_ns(self) -> int:
        return 1_000

    def monotonic_ns(self) -> int:
        return 0


def make_report(*, loses: bool = False) -> HandoverReport:
    """Trades 1 to 3 from the store, 3 and 4 live; quotes that start live after a recorded one."""
    trades = IdentityJoin("trade_tick TEST.SIM", lambda event: int(event.trade_id))
    trades.take_stored([make_trade_tick(n * SECOND_NS, trade_id=str(n)) for n in (1, 2, 3)])
    for number in (3, 4):
        trades.take_live(make_trade_tick(number * SECOND_NS, trade_id=str(number)))
    quotes = StateJoin("quote_tick TEST.SIM")
    quotes.take_stored([make_quote_tick(SECOND_NS)])
    quotes.take_live(make_quote_tick(4 * SECOND_NS, 98.0))
    buffer = LiveBuffer(StillClock())
    if loses:
        buffer.lost[Stream("quote_tick", "TEST.SIM")] = Loss(12, 0, SECOND_NS)
    spans = [PhaseSpan(Phase.A_SUBSCRIBE, 0, 1_500_000_000), PhaseSpan(Phase.B_REPLAY, 0, None)]
    return HandoverReport.of(
        phases=spans, replay_end_ns=4 * SECOND_NS, streams=[trades.make_report(), quotes.make_report()], buffer=buffer
    )


def test_the_json_says_all_of_it_in_plain_values() -> None:
    plain = json.loads(to_json_text(make_report().to_dict()))
    assert plain["is_proved"] is True
    assert plain["replay_end"] == "1970-01-01T00:00:04Z"
    assert plain["phases"][0] == {"phase": "A", "began": "1970-01-01T00:00:00Z", "duration_ns": 1_500_000_000}
    quotes, trades = plain["streams"]
    assert (quotes["state"], quotes["reason"]) == ("EXCUSED", "no history source: starts live at 1970-01-01T00:00:04Z")
    assert quotes["declared_holes"] == [
        {"first_id": None, "last_id": None, "after": "1970-01-01T00:00:01Z", "before": "1970-01-01T00:00:04Z"}
    ]
    assert trades["pivot"] == {"id": 3, "at": "1970-01-01T00:00:03Z"}
    assert (trades["counts"]["stored"], trades["counts"]["live"], trades["counts"]["overlap"]) == (3, 1, 1)
    assert plain["buffer"]["lost"] == []


def test_the_table_has_a_line_per_stream() -> None:
    lines = make_report().to_text().splitlines()
    assert lines[:2] == ["phase A     1.500 s", "phase B    going on"]
    assert lines[2].split() == [
        "stream", "state", "from", "history", "live", "filled", "overlap", "twice", "late", "missing", "why"
    ]  # fmt: skip
    assert lines[3].startswith("quote_tick TEST.SIM  EXCUSED")
    assert lines[4].endswith("3     1       0        1      0     0        -  history and live joined by overlap")
    assert lines[5] == "buffer: 0 arrivals, at most 0 waiting, 0.000 s behind"


def test_what_was_lost_is_said_and_nothing_is_proved() -> None:
    report = make_report(loses=True)
    assert not report.is_proved
    assert "LOST: 12 events of quote_tick TEST.SIM, received 1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z" in (
        report.to_text()
    )


def test_a_broken_stream_is_not_proved() -> None:
    trades = IdentityJoin("trade_tick TEST.SIM", lambda event: int(event.trade_id))
    trades.take_stored([make_trade_tick(1, trade_id="1")])
    trades.take_live(make_trade_tick(2, trade_id="9"))
    report = HandoverReport.of(
        phases=[], replay_end_ns=None, streams=[trades.make_report()], buffer=LiveBuffer(StillClock())
    )
    assert not report.is_proved
    assert "1 hole" in report.to_text()
    assert report.to_dict()["streams"][0]["open_holes"][0]["first_id"] == 2
