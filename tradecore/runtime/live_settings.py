"""Live settings: the [handover] table, and one [venues.NAME] table.

Receives: nothing; these are values, from a file or made in code.
Gives:    what a live run may wait for, lack and read ahead; which venues it trades at, and how to reach them.
Never:    opens anything.    DESIGN 10, 13; RELIABILITY 7.4.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from tradecore.domain.duration import parse_duration
from tradecore.domain.instant import SECOND_NS
from tradecore.feeds.history_questions import Patience
from tradecore.feeds.live_buffer import DEFAULT_CAPACITY
from tradecore.feeds.proof import JoinPolicy

URL_SCHEMES: Final = {
    "stream_url": ("wss://", "ws://"),
    "api_url": ("wss://", "ws://"),
    "rest_url": ("https://", "http://"),
}
"""Addresses of venues, and how they begin."""

URL_WORDS: Final = {
    "binance": {"stream_url": "binance_stream", "api_url": "binance_api"},
    "kraken": {"stream_url": "kraken", "rest_url": "kraken_rest"},
}
"""Those that each type has, and what the local venue calls them."""


class HandoverSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From history to live. Seconds are of the venue's time, >= 0 unless they say more.

    on_broken: events are missing and history does not bring them: end the run ("halt"), go on without real orders
    ("degrade"), or let it pass ("allow"). on_conflict: one id with other values: "halt" or "warn". empty: intervals
    without trades have no bar ("skip") or a flat one ("flat"). settle_s: a venue may revise a bar so long after its
    end. overlap_s: how far history is replayed beyond the first live event. close_grace_s: how long bars that the run
    makes itself wait for late trades. backfill_limit: rows that may be asked of a venue; with more, import an archive.
    lag_limit_s: no real order rests on older data. catch_up_limit: how long phase C may take. buffer_events: live
    events kept in memory, above 0; the rest goes to a file. on_full: that is full too: "halt", or go on behind a
    declared hole ("degrade"). ask_first_s, ask_times: history is asked about a hole after so long, then after twice
    as long each time, so often.
    """

    on_broken: Literal["halt", "degrade", "allow"] = "degrade"
    on_conflict: Literal["halt", "warn"] = "halt"
    empty: Literal["skip", "flat"] = "skip"
    settle_s: float = 2.0
    overlap_s: float = 2.0
    close_grace_s: float = 2.0
    backfill_limit: int = 1_000_000
    lag_limit_s: float = 1.0
    catch_up_limit: str = "10m"
    buffer_events: int = DEFAULT_CAPACITY
    on_full: Literal["halt", "degrade"] = "halt"
    ask_first_s: float = 1.0
    ask_times: int = 6

    @property
    def join_policy(self) -> JoinPolicy:
        """For the joins."""
        return JoinPolicy(
            on_broken=self.on_broken,
            on_conflict=self.on_conflict,
            empty=self.empty,
            settle_ns=round(self.settle_s * SECOND_NS),
        )

    @property
    def patience(self) -> Patience:
        """For the questions."""
        return Patience(first_s=self.ask_first_s, times_max=self.ask_times)

    @property
    def overlap_ns(self) -> int:
        """overlap_s in nanoseconds."""
        return round(self.overlap_s * SECOND_NS)

    @property
    def close_grace_ns(self) -> int:
        """close_grace_s in nanoseconds."""
        return round(self.close_grace_s * SECOND_NS)

    @property
    def lag_limit_ns(self) -> int:
        """lag_limit_s in nanoseconds."""
        return max(round(self.lag_limit_s * SECOND_NS), 1)

    @property
    def catch_up_limit_ns(self) -> int:
        """catch_up_limit in nanoseconds."""
        return parse_duration(self.catch_up_limit)


class RecordingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The [recording] table: where it stands, a live run writes down all that it receives, into its run folder.

    frames: the raw frames too. on_full: what cannot be written ends the run ("halt"), or the recording alone
    ("degrade").
    """

    frames: bool = True
    on_full: Literal["halt", "degrade"] = "halt"


class LocalVenueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `tradecore venue` that the run starts for itself and stops again.

    market: "synthetic", "frames:FILE" or "store:URL". speed: seconds of its time in one of ours. seed: of its market.
    rate: steps a second of each synthetic pair. history: how much of the market has happened already. lead: how long
    it runs before a recording begins. faults: as in `tradecore venue --fault`.
    """

    market: str = "synthetic"
    speed: float = 1.0
    seed: int = 0
    rate: float = 10.0
    history: str = "1h"
    lead: str = "0s"
    faults: tuple[str, ...] = ()


class VenueConnection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a venue is reached, where that is not as usual; None: as ConnectionSettings has it."""

    open_timeout_s: float | None = None
    ack_timeout_s: float | None = None
    request_timeout_s: float | None = None
    frame_deadline_s: float | None = None
    lost_after_s: float | None = None
    reconnect_min_s: float | None = None
    reconnect_max_s: float | None = None
    first_attempts_max: int | None = None
    depth_levels: int | None = None


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [venues.NAME] table.

    type: which protocol it speaks. suffix: what ids of its instruments end with, "BINANCE" of "BTCUSDT.BINANCE"; the
    type in capitals if it is not written. stream_url, api_url, rest_url: other addresses than the venue's own: streams;
    questions of Binance; history of Kraken. local: start `tradecore venue` and connect to that.
    """

    type: Literal["binance", "kraken"]
    suffix: str = ""
    stream_url: str | None = None
    api_url: str | None = None
    rest_url: str | None = None
    local: LocalVenueSettings | None = None
    connection: VenueConnection = VenueConnection()

    @property
    def id_suffix(self) -> str:
        """What ids of its instruments end with."""
        return self.suffix or self.type.upper()
