"""NumberRange: which numbers, words and names a setting may have.

Receives: nothing; these are tables.
Gives:    the range of each numeric setting, and the check of each name, by the struct and field that holds it.
Never:    compares one setting with another (config_checks.py does).    EXECUTION 3 to 9; DESIGN 4.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from tradecore.brokerage.settings import (
    BasisPointSlippage,
    DepthSlippage,
    FixedCommission,
    PerUnitCommission,
    RateCommission,
    SimulatedBrokerSettings,
    TickSlippage,
)
from tradecore.domain.delay_law import ConstantDelay, LognormalDelay, NormalDelay
from tradecore.domain.duration import parse_duration
from tradecore.domain.instrument import Instrument, check_instrument_id
from tradecore.domain.trading_session import parse_session
from tradecore.execution.match_source import MATCH_WORDS
from tradecore.runtime.live_settings import HandoverSettings, LocalVenueSettings, VenueConnection
from tradecore.runtime.run_config import RunSettings

INT_MAX: Final = 2**63 - 1
"""What a signed 64-bit integer holds: stores, journals and other languages hold no more."""

DECIMAL_DIGITS_MAX: Final = 18
"""Places before and after the point. Tokens have up to 18; anything beyond is a slip of the exponent."""


class NumberRange(msgspec.Struct, frozen=True):
    """From low to high; an open end does not belong to the range; None has no end."""

    low: int | None = None
    high: int | None = None
    low_open: bool = False
    high_open: bool = False

    def has(self, number: Decimal | float) -> bool:
        """Whether the number lies in the range."""
        if self.low is not None and (number < self.low or (self.low_open and number == self.low)):
            return False
        return self.high is None or not (number > self.high or (self.high_open and number == self.high))

    def __str__(self) -> str:
        parts = []
        if self.low is not None:
            parts.append(f"above {self.low}" if self.low_open else f"{self.low} or more")
        if self.high is not None:
            parts.append(f"below {self.high}" if self.high_open else f"at most {self.high}")
        return " and ".join(parts)


_NOT_NEGATIVE: Final = NumberRange(low=0)
_ABOVE_ZERO: Final = NumberRange(low=0, low_open=True)
_PART: Final = NumberRange(low=0, low_open=True, high=1)
_RATE: Final = NumberRange(low=-1, low_open=True, high=1, high_open=True)
_DELAY_MS: Final = NumberRange(low=0, high=86_400_000)  # a day: longer than that is a slip of the unit

_SECONDS: Final = NumberRange(low=0, high=86_400)
_SECONDS_ABOVE_ZERO: Final = NumberRange(low=0, low_open=True, high=86_400)

RANGES: Final[dict[tuple[type, str], NumberRange]] = {
    (RunSettings, "seed"): _NOT_NEGATIVE,
    (RunSettings, "batch_size"): NumberRange(low=1, high=1_000_000),
    (Instrument, "price_increment"): _ABOVE_ZERO,
    (Instrument, "quantity_increment"): _ABOVE_ZERO,
    (Instrument, "multiplier"): _ABOVE_ZERO,
    (SimulatedBrokerSettings, "cash"): _NOT_NEGATIVE,
    (SimulatedBrokerSettings, "initial_margin"): _PART,
    (SimulatedBrokerSettings, "maintenance_margin"): _PART,
    (SimulatedBrokerSettings, "borrow_rate"): _NOT_NEGATIVE,
    (SimulatedBrokerSettings, "participation"): _PART,
    (SimulatedBrokerSettings, "open_grace"): NumberRange(low=0, high=1, high_open=True),
    (SimulatedBrokerSettings, "spread"): _NOT_NEGATIVE,
    (RateCommission, "maker"): _RATE,
    (RateCommission, "taker"): _RATE,
    (PerUnitCommission, "amount"): _NOT_NEGATIVE,
    (PerUnitCommission, "minimum"): _NOT_NEGATIVE,
    (FixedCommission, "amount"): _NOT_NEGATIVE,
    (TickSlippage, "ticks"): _NOT_NEGATIVE,
    (BasisPointSlippage, "basis_points"): NumberRange(low=0, high=10_000, high_open=True),  # 10,000 is the whole price
    (DepthSlippage, "level_size"): _ABOVE_ZERO,
    (DepthSlippage, "level_ticks"): _ABOVE_ZERO,
    (DepthSlippage, "jitter"): NumberRange(low=0, high=1, high_open=True),
    (ConstantDelay, "ms"): _DELAY_MS,
    (NormalDelay, "mean_ms"): _DELAY_MS,
    (NormalDelay, "sd_ms"): _DELAY_MS,
    (NormalDelay, "min_ms"): _DELAY_MS,
    (NormalDelay, "max_ms"): _DELAY_MS,
    (LognormalDelay, "median_ms"): _DELAY_MS,
    (LognormalDelay, "sigma"): NumberRange(low=0, high=10),  # e**10 is 22,000 times the median
    (LognormalDelay, "max_ms"): _DELAY_MS,
    (HandoverSettings, "settle_s"): _SECONDS,
    (HandoverSettings, "overlap_s"): _SECONDS,
    (HandoverSettings, "close_grace_s"): _SECONDS,
    (HandoverSettings, "backfill_limit"): _NOT_NEGATIVE,
    (HandoverSettings, "lag_limit_s"): _SECONDS_ABOVE_ZERO,
    (HandoverSettings, "buffer_events"): NumberRange(low=1, high=100_000_000),
    (HandoverSettings, "ask_first_s"): _SECONDS_ABOVE_ZERO,
    (HandoverSettings, "ask_times"): NumberRange(low=1, high=20),  # each waits twice as long: 20 are twelve days
    (LocalVenueSettings, "speed"): NumberRange(low=0, low_open=True, high=1_000),
    (LocalVenueSettings, "seed"): _NOT_NEGATIVE,
    (LocalVenueSettings, "rate"): NumberRange(low=0, low_open=True, high=100_000),
    (VenueConnection, "open_timeout_s"): _SECONDS_ABOVE_ZERO,
    (VenueConnection, "ack_timeout_s"): _SECONDS_ABOVE_ZERO,
    (VenueConnection, "request_timeout_s"): _SECONDS_ABOVE_ZERO,
    (VenueConnection, "frame_deadline_s"): _SECONDS_ABOVE_ZERO,
    (VenueConnection, "lost_after_s"): _SECONDS_ABOVE_ZERO,
    (VenueConnection, "reconnect_min_s"): _SECONDS_ABOVE_ZERO,
    (VenueConnection, "reconnect_max_s"): _SECONDS_ABOVE_ZERO,
    (VenueConnection, "first_attempts_max"): NumberRange(low=1, high=1_000),
    (VenueConnection, "depth_levels"): NumberRange(low=1, high=1_000),
}
"""A dict field (cash, spread) has the range of each of its values."""

WORDS: Final[dict[tuple[type, str], tuple[str, ...]]] = {
    (SimulatedBrokerSettings, "match_on"): MATCH_WORDS,
}
"""Words that a dict field's values may be, where its type does not say so (EXECUTION 3)."""

CHECKS: Final[dict[tuple[type, str], tuple[Callable[[str], object], str]]] = {
    (RunSettings, "warmup"): (parse_duration, '"30d"'),
    (RunSettings, "duration"): (parse_duration, '"8h"'),
    (HandoverSettings, "catch_up_limit"): (parse_duration, '"10m"'),
    (LocalVenueSettings, "history"): (parse_duration, '"1h"'),
    (LocalVenueSettings, "lead"): (parse_duration, '"10s"'),
    (Instrument, "id"): (check_instrument_id, '"IBM.NYSE"'),
    (Instrument, "session"): (parse_session, '"24x7", "fx", "09:30-16:00 America/New_York" or "calendar:XNYS"'),
}
"""What reads a text setting (it raises InvalidName or InvalidTime), and how a right one is written."""
