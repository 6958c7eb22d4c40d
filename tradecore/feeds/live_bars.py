"""LiveBars: bars that the run makes of live ticks or smaller bars, closed by the next input or by time.

Receives: the parts as they are delivered, history first; the instant, when nothing comes.
Gives:    closed bars; `due_ns`, the instant at which the open one closes without any further input.
Never:    reads a clock, and never fails on a part that comes too late for its bar: it is counted, since a closed bar
          has been seen.    DESIGN 5, 10; EXECUTION 6 (last point).

One maker goes through all phases, so that the bar that is open when live begins has all its parts.
"""

from __future__ import annotations

from typing import Any

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.trading_session import TradingSession
from tradecore.feeds.bar_builder import EmptyPolicy, TickBarBuilder, TimeBarBuilder
from tradecore.feeds.bar_intervals import interval_finder


class LiveBars:
    """close_grace_ns: how long past its end an open bar waits for the first input beyond it. empty: "skip" | "flat".

    late_parts: parts whose bar was closed already. start_ns: instant from which the input is complete, None if unknown;
    then the first bar is left out as partial.
    """

    def __init__(
        self,
        bar_type: BarType | str,
        *,
        close_grace_ns: int = 0,
        empty: EmptyPolicy = "skip",
        session: TradingSession | None = None,
        start_ns: int | None = None,
    ) -> None:
        self.bar_type = BarType.parse(bar_type)
        self.late_parts = 0
        self._builder: TimeBarBuilder | TickBarBuilder
        if self.bar_type.is_time_based:
            find = interval_finder(self.bar_type, session)
            self._builder = TimeBarBuilder(
                self.bar_type, find, close_grace_ns=close_grace_ns, empty=empty, start_ns=start_ns
            )
        else:
            self._builder = TickBarBuilder(self.bar_type)

    def set_close_grace(self, close_grace_ns: int) -> None:
        """From now on the parts arrive late: wait so long past the end of a bar before time closes it."""
        if isinstance(self._builder, TimeBarBuilder):
            self._builder.close_grace_ns = close_grace_ns

    @property
    def partial_bars(self) -> int:
        """Bars left out because the input began inside them."""
        return self._builder.partial_bars

    @property
    def due_ns(self) -> int | None:
        """When the open bar closes without input, int nanoseconds; None for none, and for bars of a number of ticks."""
        return self._builder.due_ns if isinstance(self._builder, TimeBarBuilder) else None

    def take(self, part: Any) -> list[Bar]:
        """The bars that this part closes; they come before it. Raises: FeedMismatch for what no such bar is made of."""
        builder = self._builder
        if isinstance(builder, TimeBarBuilder):
            ts = part.ts_event - 1 if type(part) is Bar else part.ts_event  # a bar lies before its end
            if ts < builder.open_from_ns:
                self.late_parts += 1
                return []
        return list(builder.build((part,)))

    def pass_time(self, now_ns: int) -> list[Bar]:
        """The bars that are over by now although nothing came after them."""
        due_ns = self.due_ns
        return list(self._builder.finish(now_ns)) if due_ns is not None and due_ns <= now_ns else []
