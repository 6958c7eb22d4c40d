"""RunRecording: the recording of a live run: what it received, what history it replayed, what its clock made it do.

Receives: the LiveRun, as it goes through its phases.
Gives:    a Recording in the run folder from which the run can be repeated without its venues (replay_run.py).
Never:    changes what it listens to.    DESIGN 10; issue 4, item 5.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from tradecore.domain.phase import Phase
from tradecore.domain.stream import Stream
from tradecore.errors import RecordingFailed
from tradecore.runtime.live_run import LiveRun
from tradecore.runtime.recorded_config import encode_config
from tradecore.runtime.recording import Mark, RecordedStream, Recording
from tradecore.runtime.run_config import RunConfig

RECORDING_FOLDER = "recording"
"""Within the run folder."""


class RunRecording:
    """recording: which is the buffer's recorder already. config: of the run, None where it was made in code.

    Made when the run has all its parts, before it begins.
    """

    def __init__(self, run: LiveRun, recording: Recording, config: RunConfig | None) -> None:
        self._run = run
        self._config = None if config is None else encode_config(config)
        self._recording = recording
        run.stage.note_clock = self._note
        run.intake.on_give_up = self._note_give_up
        run.feeds.note_history = recording.note_history

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """See that all is written, until cancelled. Raises: RecordingFailed under "halt"."""
        await self._recording.run(task_status=task_status)

    def note_phase(self, phase: Phase) -> None:
        """A phase begins."""
        self._note("phase", self._run.engine.timeline.now, phase.value)
        if phase is not Phase.A_SUBSCRIBE:  # by now it is known what is subscribed
            self._recording.describe(self._list_streams(), self._describe())

    def end(self) -> None:
        """The run is over; what could not be written is said in the run's notes."""
        self._note("end", self._run.engine.timeline.now)
        self._recording.describe(self._list_streams(), self._describe())
        with suppress(RecordingFailed):  # it is in `failure`, which the note tells
            self._recording.close()
        if self._recording.failure is not None:
            self._run.notes.append(f"the recording ended early: {self._recording.failure}")

    def _note(self, what: Any, ts: int, detail: str = "") -> None:
        self._recording.note_mark(Mark(self._run.buffer.next_ordinal, what, ts, detail))

    def _note_give_up(self, stream: Stream) -> None:
        self._note("give_up", self._run.engine.timeline.now, str(stream))

    def _list_streams(self) -> list[RecordedStream]:
        streams = self._run.streams
        return [RecordedStream.of(stream, venue) for stream, venue in sorted(streams.venue_of.items(), key=_first)]

    def _describe(self) -> dict[str, Any]:
        run = self._run
        known = run.engine.instruments  # one that the venue has not told of yet is not there
        names = sorted({stream.instrument for stream in run.streams.venue_of} & known.keys())
        instruments = [known[name] for name in names]
        return {
            "venue": ", ".join(sorted({venue.name for venue in run.streams.venue_of.values()})),
            "instruments": msgspec.to_builtins(instruments, enc_hook=str),
            "start_ns": run.start_ns,
            "replay_end_ns": run.replay_end_ns,
            "close_grace_ns": run.settings.close_grace_ns,
            "settle_ns": run.settings.join_policy.settle_ns,
            "empty": run.settings.empty,
            "config": self._config,
        }


def _first(item: tuple[Stream, Any]) -> Stream:
    return item[0]
