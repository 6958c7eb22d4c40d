"""ConnectionSettings: how a venue's connections are made, watched and made again.

The defaults are those of RELIABILITY 7.4, each with its reason there; all are in seconds unless the name says more.
"""

from __future__ import annotations

import msgspec

from tradecore.errors import VenueError


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a connection may take, wait for and repeat.

    open_timeout_s, close_timeout_s: handshake and farewell. ack_timeout_s: a subscription's acknowledgement.
    request_timeout_s: the answer to a question. frame_deadline_s: without a sign of life for so long, streams are
    STALE; after lost_after_s the connection is given up. reconnect_min_s, reconnect_max_s: full jitter between 0 and a
    bound that doubles from one to the other. uptime_min_s: a connection that lived so long starts the doubling anew.
    connects_max in connects_window_s: budget per host, first connections included. first_attempts_max: before `run`
    gives up on a venue that it has never reached. planned_reconnect_s: a successor is made before the venue cuts
    (24 h at Binance). overlap_s: how long both are subscribed. frame_bytes_max: a larger frame ends the connection.
    frames_queued_max: read ahead of us by the library; beyond, TCP holds the venue back.
    rejects_per_minute_max: more frames that cannot be read make the streams STALE. depth_levels: of a side of a
    DepthSnapshot, at most as many as the venue lets us prove (Kraken: 10). silence_trades_s, silence_quotes_s,
    silence_depth_s: how long a single stream may lack what the venue has, while its connection lives, before it is
    STALE (silence_watch.py); of a busy stream less, down to silence_min_s; of bars their step and silence_bars_s.
    """

    open_timeout_s: float = 10.0
    close_timeout_s: float = 2.0
    ack_timeout_s: float = 10.0
    request_timeout_s: float = 10.0
    frame_deadline_s: float = 5.0
    lost_after_s: float = 10.0
    reconnect_min_s: float = 0.5
    reconnect_max_s: float = 30.0
    uptime_min_s: float = 30.0
    connects_max: int = 20
    connects_window_s: float = 300.0
    first_attempts_max: int = 5
    planned_reconnect_s: float = 23 * 3_600.0
    overlap_s: float = 3.0
    frame_bytes_max: int = 4 * 2**20
    frames_queued_max: int = 256
    rejects_per_minute_max: int = 20
    depth_levels: int = 20
    silence_min_s: float = 10.0
    silence_trades_s: float = 60.0
    silence_quotes_s: float = 30.0
    silence_depth_s: float = 30.0
    silence_bars_s: float = 15.0

    def __post_init__(self) -> None:
        """Raises: VenueError naming the setting, for what is not above 0 or out of order."""
        for name in self.__struct_fields__:
            if not 0 < getattr(self, name) < float("inf"):
                raise VenueError(f"connection setting {name} is {getattr(self, name)}; expected a number above 0")
        for low, high in (("frame_deadline_s", "lost_after_s"), ("reconnect_min_s", "reconnect_max_s")):
            if getattr(self, low) > getattr(self, high):
                raise VenueError(
                    f"connection setting {low} is {getattr(self, low):g}, above {high} = {getattr(self, high):g}"
                )
