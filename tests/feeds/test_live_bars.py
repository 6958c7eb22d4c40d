"""LiveBars: a closed bar has been seen, so what comes for it afterwards is counted, never made into it again."""

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.feeds.live_bars import LiveBars
from tradecore.testing.builders import make_trade_tick

BEGIN = 1_704_067_200 * SECOND_NS


def test_a_part_that_comes_after_a_quiet_minute_does_not_open_a_bar_that_was_seen() -> None:
    """Minute 1 closes with time; minute 2 has no trades, so nothing is open; then a trade of minute 1 comes late."""
    bars = LiveBars("TEST.SIM 1m last", start_ns=BEGIN)
    assert bars.take(make_trade_tick(BEGIN + SECOND_NS, 100.0)) == []
    assert [bar.ts_event for bar in bars.pass_time(BEGIN + MINUTE_NS)] == [BEGIN + MINUTE_NS]
    assert bars.pass_time(BEGIN + 2 * MINUTE_NS) == []
    assert bars.due_ns is None
    assert bars.take(make_trade_tick(BEGIN + 2 * SECOND_NS, 90.0)) == []
    assert bars.take(make_trade_tick(BEGIN + MINUTE_NS + SECOND_NS, 90.0)) == [], "minute 2 is over as well"
    assert bars.late_parts == 2
    assert bars.take(make_trade_tick(BEGIN + 2 * MINUTE_NS + SECOND_NS, 101.0)) == []
    (third,) = bars.pass_time(BEGIN + 3 * MINUTE_NS)
    assert (third.ts_event, third.low) == (BEGIN + 3 * MINUTE_NS, 101.0)
