"""OrderGate: None when a stream is fit for a real order, else the first reason against it."""

import pytest

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.gate_reason import Refusal
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.phase import Phase
from tradecore.domain.stream import Stream
from tradecore.feeds.proof import Proof, Verdict
from tradecore.runtime.order_gate import OrderGate

TRADES = Stream("trade_tick", "TEST.SIM")
BOOK = Stream("depth", "TEST.SIM")


class Lag:
    """What the live buffer would say."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def make_gate(lag: Lag | None = None) -> OrderGate:
    """A gate that lets everything pass: live, connected, proved."""
    gate = OrderGate(lag or Lag())
    gate.note_phase(Phase.D_LIVE)
    for stream in (TRADES, BOOK):
        gate.note_verdict(stream, Verdict(Proof.PROVED, "joined"))
        say(gate, stream, FeedState.CONNECTED)
    return gate


def say(gate: OrderGate, stream: Stream, state: FeedState, reason: str = "because") -> None:
    gate.note_state(FeedStateChanged(stream, state, 0, reason))


def refusal(gate: OrderGate, stream: Stream = TRADES) -> Refusal | None:
    reason = gate(stream)
    return None if reason is None else reason.refusal


def test_a_live_connected_proved_stream_passes() -> None:
    assert make_gate()(TRADES) is None


@pytest.mark.parametrize("phase", [Phase.A_SUBSCRIBE, Phase.B_REPLAY, Phase.C_CATCH_UP])
def test_nothing_passes_before_phase_d(phase: Phase) -> None:
    gate = make_gate()
    gate.note_phase(phase)
    reason = gate(TRADES)
    assert reason is not None
    assert reason.refusal is Refusal.NOT_LIVE
    assert reason.text == f"the run is in phase {phase.value}; real orders begin with phase D"


def test_nothing_passes_before_the_run_begins() -> None:
    assert refusal(OrderGate(Lag())) is Refusal.NOT_LIVE


@pytest.mark.parametrize("state", [FeedState.STALE, FeedState.RECONNECTING, FeedState.ENDED])
def test_a_stream_is_refused_from_the_moment_it_is_not_alive_until_it_is_connected(state: FeedState) -> None:
    """STALE never set, and STALE never cleared, are both bugs that others have had."""
    gate = make_gate()
    say(gate, TRADES, state, "nothing heard for 5.0 s")
    reason = gate(TRADES)
    assert reason is not None
    assert (reason.refusal, reason.text) == (
        Refusal.NOT_FRESH,
        f"trade_tick TEST.SIM is not fresh: {state.value}: nothing heard for 5.0 s",
    )
    assert gate(BOOK) is None
    say(gate, TRADES, FeedState.CONNECTED)
    assert gate(TRADES) is None


def test_a_stream_that_never_connected_is_not_fresh() -> None:
    gate = OrderGate(Lag())
    gate.note_phase(Phase.D_LIVE)
    gate.note_verdict(TRADES, Verdict(Proof.PROVED, "joined"))
    assert refusal(gate) is Refusal.NOT_FRESH


def test_a_book_out_of_sequence_is_refused_until_it_recovers_though_the_connection_is_back() -> None:
    gate = make_gate()
    say(gate, BOOK, FeedState.GAP, "update 7 follows 5")
    say(gate, BOOK, FeedState.CONNECTED)
    assert refusal(gate, BOOK) is Refusal.NOT_FRESH
    say(gate, BOOK, FeedState.RECOVERED)
    assert gate(BOOK) is None


def test_a_gap_in_trades_is_a_matter_of_proof() -> None:
    gate = make_gate()
    say(gate, TRADES, FeedState.GAP)
    assert gate(TRADES) is None
    gate.note_verdict(TRADES, Verdict(Proof.BROKEN, "3 missing"))
    reason = gate(TRADES)
    assert reason is not None
    assert reason.text == "trade_tick TEST.SIM is BROKEN: 3 missing"


@pytest.mark.parametrize(
    ("proof", "expected"),
    [(Proof.PROVED, None), (Proof.EXCUSED, None), (Proof.PENDING, Refusal.UNPROVEN), (Proof.BROKEN, Refusal.UNPROVEN)],
)
def test_proved_and_excused_pass_pending_and_broken_do_not(proof: Proof, expected: Refusal | None) -> None:
    gate = make_gate()
    gate.note_verdict(TRADES, Verdict(proof, "why"))
    assert refusal(gate) is expected


def test_lag_is_refused_above_its_limit_and_passes_at_it() -> None:
    lag = Lag()
    gate = make_gate(lag)
    lag.ns = SECOND_NS
    assert gate(TRADES) is None
    lag.ns = SECOND_NS + 1_000_000
    reason = gate(TRADES)
    assert reason is not None
    assert (reason.refusal, reason.text) == (Refusal.LAGGING, "live data lags by 1.001 s; the limit is 1 s")


def test_an_instrument_is_as_fit_as_its_least_fit_stream() -> None:
    gate = make_gate()
    assert gate.check_instrument("TEST.SIM") is None
    say(gate, BOOK, FeedState.GAP)
    reason = gate.check_instrument("TEST.SIM")
    assert reason is not None
    assert reason.text.startswith("depth TEST.SIM")
    unknown = gate.check_instrument("OTHER.SIM")
    assert unknown is not None
    assert unknown.refusal is Refusal.UNKNOWN_STREAM


def test_a_stream_that_is_unsubscribed_is_unknown() -> None:
    gate = make_gate()
    gate.forget(TRADES)
    assert refusal(gate) is Refusal.UNKNOWN_STREAM
