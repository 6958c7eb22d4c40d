"""live_log: what only a live run has to tell its log: the order gate, and a live buffer that goes to its file.

Receives: a look at the gate whenever something that it is fed by has changed; blocks on their way to the spill file.
Gives:    a line for each stream whose reason against real orders appeared, went, or became another one; a line when
          spilling begins and ends.
Never:    looks at the gate before phase D, when it is closed for all; follows the lag, which changes with every event.
          DESIGN 10.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.gate_reason import Refusal
from tradecore.domain.phase import PhaseChanged
from tradecore.domain.stream import Stream
from tradecore.feeds.proof import Verdict
from tradecore.feeds.spill_file import DiskSpillFile, SpillFile
from tradecore.runtime.live_run import LiveRun
from tradecore.runtime.order_gate import OrderGate
from tradecore.runtime.run_log import RunLog


def connect_log(log: RunLog, run: LiveRun) -> None:
    """Let the log hear of the gate, with all that the gate hears."""
    gate, bus = GateLog(run.gate, log), run.engine.bus
    run.intake.on_verdict = partial(_note_verdict, run, gate)
    bus.subscribe(PhaseChanged, gate.look)
    bus.subscribe(FeedStateChanged, gate.look)


def _note_verdict(run: LiveRun, gate: GateLog, stream: Stream, verdict: Verdict) -> None:
    run.note_verdict(stream, verdict)
    gate.look()


class GateLog:
    """When the order gate opens and closes, and why; of one run."""

    def __init__(self, gate: OrderGate, log: RunLog) -> None:
        self._gate, self._log = gate, log
        self._reasons: dict[Stream, str | None] = {}

    def look(self, _change: Any = None) -> None:
        """Something changed that the gate is fed by: a phase, a verdict, a state of a feed."""
        for stream in self._gate.streams:
            reason = self._gate(stream)
            if reason is not None and reason.refusal is Refusal.NOT_LIVE:
                return
            if reason is not None and reason.refusal is Refusal.LAGGING:
                continue
            text = None if reason is None else reason.text
            if stream not in self._reasons or self._reasons[stream] != text:
                self._reasons[stream] = text
                self._log.note_gate(str(stream), text)


class LoggedSpillFile:
    """A spill file of which the log hears when it comes into use, and when all of it was read back."""

    def __init__(self, file: SpillFile | None, log: RunLog) -> None:
        """file: None for one on disk."""
        self._file: SpillFile = DiskSpillFile() if file is None else file
        self._log = log
        self._is_used = False
        self.name = self._file.name

    def append(self, block: bytes) -> int:
        """See SpillFile."""
        place = self._file.append(block)
        if not self._is_used:
            self._is_used = True
            self._log.say("warning", "spill_began", file=self.name)
        return place

    def read(self, place: int, length: int) -> bytes:
        """See SpillFile."""
        return self._file.read(place, length)

    def clear(self) -> None:
        """See SpillFile."""
        self._file.clear()
        if self._is_used:
            self._is_used = False
            self._log.say("info", "spill_ended", file=self.name)

    def close(self) -> None:
        """See SpillFile."""
        self._file.close()
