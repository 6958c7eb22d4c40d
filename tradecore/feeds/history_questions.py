"""HistoryQuestions: asks a venue's history what the joins want to know, until they know it or it is declared missing.

Receives: the intake's questions, told by `look` after each batch; the venue of each stream.
Gives:    the answers, put into the LiveBuffer like everything else that is received.
Never:    asks more often than its patience says, or waits in the way of live events: it has a task of its own.
          DESIGN 10; RELIABILITY 2 (rows 1, 7).
"""

from __future__ import annotations

from asyncio import Event as Signal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import VenueError
from tradecore.feeds.identity_join import Question
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.venues.market_data_venue import MarketDataVenue

PAD_NS: Final = SECOND_NS
"""Asked for beyond a hole's end: one call of a venue may tell times less exactly than another."""


class Patience(msgspec.Struct, frozen=True):
    """When history is asked: first_s after a hole shows (late events may close it by themselves), then again after
    twice as long each time, times_max times for one hole. Seconds > 0.
    """

    first_s: float = 1.0
    times_max: int = 6


class HistoryQuestions:
    """venues: of each stream that may have questions. start_ns: of the run; nothing before it is asked for. starts: of
    streams that begin later than the run.

    asked, failed: how many questions were asked, and how many of these were answered with an error (`last_error`).
    """

    def __init__(
        self,
        intake: LiveIntake,
        buffer: LiveBuffer,
        venues: Mapping[Stream, MarketDataVenue],
        *,
        start_ns: int,
        patience: Patience | None = None,
    ) -> None:
        self.asked = 0
        self.failed = 0
        self.last_error: VenueError | None = None
        self._intake = intake
        self._buffer = buffer
        self._venues = venues
        self.starts: dict[Stream, int] = {}
        self._start_ns = start_ns
        self._patience = patience or Patience()
        self._asking: set[Stream] = set()
        self._new = Signal()

    def look(self) -> None:
        """Start asking for streams that have a question and are not being asked for; a plain, cheap call."""
        if any(stream not in self._asking for stream in self._intake.questions):
            self._new.set()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Ask until cancelled. Raises: StreamBroken for a hole that stays, under on_broken = "halt"."""
        async with anyio.create_task_group() as tasks:
            task_status.started()
            while True:
                await self._new.wait()
                self._new.clear()
                for stream in self._intake.questions:
                    if stream not in self._asking:
                        self._asking.add(stream)
                        tasks.start_soon(self._ask_until_whole, stream)

    async def _ask_until_whole(self, stream: Stream) -> None:
        """Each hole has its own patience: one that stays is declared, and the asking goes on for the younger ones."""
        try:
            oldest, times = None, 0
            while True:
                await anyio.sleep(self._patience.first_s)
                question = self._intake.questions.get(stream)
                if question is not None and question.from_id == oldest:  # a younger one need not wait for that long
                    await anyio.sleep(self._patience.first_s * (2**times - 1))
                    question = self._intake.questions.get(stream)
                if question is None:
                    return
                if question.from_id != oldest:
                    oldest, times = question.from_id, 0
                if times == self._patience.times_max:
                    self._intake.give_up(stream)
                    self._buffer.wake()  # phase C waits for its answers, and this is one
                    oldest, times = None, 0
                else:
                    times += 1
                    await self._ask(stream, question)
        finally:
            self._asking.discard(stream)

    async def _ask(self, stream: Stream, question: Question) -> None:
        """One question; an error of the venue is kept, and the next attempt is the answer to it."""
        self.asked += 1
        venue = self._venues[stream]
        try:
            as_of_ns = await venue.server_time()
            start_ns = self.starts.get(stream, self._start_ns)
            page_from: int | None = None
            async for rows in open_answer(venue, stream, question, start_ns):
                self._buffer.put_answer(stream, question, rows, as_of_ns=as_of_ns, page_from=page_from)
                page_from = venue.identity(stream, rows[-1])
        except VenueError as error:
            self.failed += 1
            self.last_error = error


def open_answer(
    venue: MarketDataVenue, stream: Stream, question: Question, start_ns: int
) -> AsyncIterator[Sequence[Any]]:
    """Pages of history that answer a question. start_ns: of the run, where the question has no start of its own.

    Bars are asked for by time: a bar's id is its end, and that is where the question starts.
    """
    from_id = None if stream.kind == "bar" else question.from_id
    first_ns = start_ns if question.start_ns is None else question.start_ns
    return venue.read_history(stream, start=first_ns, end=question.end_ns + PAD_NS, from_id=from_id)
