"""LivePlan: what is to be run live, as values; the same whether it came from a file or from code.

Receives: a checked RunConfig of mode "live", or the arguments of run_live.
Gives:    the plan that any run has, and beside it warm-up, venues, clock, handover.
Never:    opens anything.    DESIGN 10, 13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tradecore.domain.instant import format_ns
from tradecore.engine.participant import NEVER
from tradecore.errors import ConfigError
from tradecore.runtime.live_settings import HandoverSettings, RecordingSettings, VenueSettings
from tradecore.runtime.run_config import RunConfig
from tradecore.runtime.run_plan import RunPlan


class LivePlan(msgspec.Struct, frozen=True, kw_only=True):
    """plan: of the run; its start_ns is None where a warm-up says how far history goes back. Times in nanoseconds.

    warmup_ns: from the run's beginning back; end_ns, duration_ns: None where it goes on until it is stopped. venues: by
    name, tables or venue objects (then by suffix of instrument ids). clock_word: "system" or "venue". recording: None
    writes nothing down. config: what it was made of, None for a run made in code.
    """

    plan: RunPlan
    venues: dict[str, Any]
    warmup_ns: int = 0
    end_ns: int | None = None
    duration_ns: int | None = None
    clock_word: str = "system"
    handover: HandoverSettings = HandoverSettings()
    recording: RecordingSettings | None = None
    config: RunConfig | None = None

    def resolve(self, now_ns: int) -> tuple[RunPlan, int]:
        """The plan with its start, and the instant at which the run stops (NEVER without). now_ns: of the run's clock.

        Raises: ConfigError for a start or an end on the wrong side of now.
        """
        start_ns = self.plan.start_ns
        if start_ns is None:
            start_ns = now_ns - self.warmup_ns
        mistakes = []
        if start_ns > now_ns:
            mistakes.append(f"[run] start {format_ns(start_ns)} is in the future: history begins before now")
        if self.end_ns is not None and self.end_ns <= now_ns:
            mistakes.append(f"[run] end {format_ns(self.end_ns)} has passed; it is {format_ns(now_ns)} now")
        if mistakes:
            raise ConfigError("run_live", mistakes)
        stops = [NEVER]
        if self.end_ns is not None:
            stops.append(self.end_ns)
        if self.duration_ns is not None:
            stops.append(now_ns + self.duration_ns)
        return msgspec.structs.replace(self.plan, start_ns=start_ns, end_ns=None), min(stops)


def live_plan_from_config(config: RunConfig, plan: RunPlan) -> LivePlan:
    """The live part of a checked configuration beside the plan that was made of the rest."""
    run = config.run
    return LivePlan(
        plan=plan,
        venues=dict(config.venues),
        warmup_ns=run.warmup_ns,
        end_ns=run.end_ns,
        duration_ns=run.duration_ns,
        clock_word=run.clock,
        handover=config.handover,
        recording=config.recording,
        config=config,
    )


def check_venues(venues: Mapping[str, Any]) -> None:
    """Venues given in code. Raises: ConfigError for what is neither a table nor a venue."""
    wrong = [
        f"venue {name!r} is a {type(venue).__name__}; expected VenueSettings(...), or a MarketDataVenue by the suffix "
        "of its instruments' ids"
        for name, venue in venues.items()
        if not isinstance(venue, VenueSettings) and not hasattr(venue, "read_history")
    ]
    if not venues:
        wrong.append('a live run needs at least one venue: venues={"BINANCE": ...}')
    if wrong:
        raise ConfigError("run_live", wrong)
