"""OrderGate: whether a stream is fit to base a real order on, and if not, why not.

Receives: phases, verdicts of joins, states of feeds, the lag of the live buffer.
Gives:    None, or the first reason against it; what the RealBroker asks before each order.
Never:    judges an order, reads a clock, or takes a quiet market for a dead feed: data is fresh while its connection is
          alive and its book in sequence, however old the last change.    DESIGN 9, 10; RELIABILITY 2 (rows 2, 17, 43).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.gate_reason import Reason, Refusal
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.phase import Phase
from tradecore.domain.stream import Stream
from tradecore.feeds.proof import Proof, Verdict

LAG_LIMIT_NS: Final = SECOND_NS
"""Above this lag of the live buffer no new order is based on what is delivered (RELIABILITY 7.4)."""


class OrderGate:
    """lag_ns: asks the live buffer how long its oldest arrival has waited. lag_limit_ns: > 0.

    Fed by what the run publishes anyway: note_phase, note_verdict, note_state. Ask it like a function.
    """

    def __init__(self, lag_ns: Callable[[], int], *, lag_limit_ns: int = LAG_LIMIT_NS) -> None:
        self._lag_ns = lag_ns
        self._lag_limit_ns = lag_limit_ns
        self._phase: Phase | None = None
        self._verdicts: dict[Stream, Verdict] = {}
        self._dead: dict[Stream, str] = {}  # why the connection is not proven alive
        self._torn: dict[Stream, str] = {}  # why the book is out of sequence

    def note_phase(self, phase: Phase) -> None:
        """A phase began."""
        self._phase = phase

    def note_verdict(self, stream: Stream, verdict: Verdict) -> None:
        """What is known of a stream. Until a venue says CONNECTED, it is not fresh."""
        if stream not in self._verdicts:
            self._dead.setdefault(stream, "not connected yet")
        self._verdicts[stream] = verdict

    def note_state(self, change: FeedStateChanged) -> None:
        """A feed's state changed. Holes of trades and bars are a matter of proof; here they change nothing."""
        stream, state = change.stream, change.state
        if state is FeedState.CONNECTED:
            self._dead.pop(stream, None)
        elif state is FeedState.GAP:
            if not stream.has_identity:
                self._torn[stream] = change.reason
        elif state is FeedState.RECOVERED:
            self._torn.pop(stream, None)
        else:  # STALE, RECONNECTING, ENDED
            self._dead[stream] = f"{state.value}: {change.reason}"

    def forget(self, stream: Stream) -> None:
        """The stream is no longer subscribed."""
        for known in (self._verdicts, self._dead, self._torn):
            known.pop(stream, None)

    @property
    def streams(self) -> list[Stream]:
        """Those that it knows, in order."""
        return sorted(self._verdicts)

    def __call__(self, stream: Stream) -> Reason | None:
        """The first reason against a real order that rests on this stream, or None."""
        if self._phase is not Phase.D_LIVE:
            phase = "before the start" if self._phase is None else f"in phase {self._phase.value}"
            return Reason(Refusal.NOT_LIVE, f"the run is {phase}; real orders begin with phase D")
        verdict = self._verdicts.get(stream)
        if verdict is None:
            return Reason(Refusal.UNKNOWN_STREAM, f"{stream} is not among the live streams of this run")
        dead, torn = self._dead.get(stream), self._torn.get(stream)
        if dead is not None or torn is not None:
            return Reason(Refusal.NOT_FRESH, f"{stream} is not fresh: {dead or torn}")
        if verdict.proof not in (Proof.PROVED, Proof.EXCUSED):
            return Reason(Refusal.UNPROVEN, f"{stream} is {verdict.proof.value}: {verdict.reason}")
        lag_ns = self._lag_ns()
        if lag_ns > self._lag_limit_ns:
            shown, limit = lag_ns / SECOND_NS, self._lag_limit_ns / SECOND_NS
            return Reason(Refusal.LAGGING, f"live data lags by {shown:.3f} s; the limit is {limit:g} s")
        return None

    def check_instrument(self, instrument: str) -> Reason | None:
        """The first reason among all live streams of an instrument; one that has none is unknown."""
        streams = sorted(stream for stream in self._verdicts if stream.instrument == instrument)
        if not streams:
            return self(Stream("trade_tick", instrument))
        return next((reason for reason in map(self, streams) if reason is not None), None)
