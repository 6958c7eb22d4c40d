"""Settings of a SimulatedBroker, as a configuration writes them and as code makes them.

Receives: numbers as Decimal; words as listed in the comments.
Gives:    frozen values with defaults that are the conservative choice (EXECUTION.md).
Never:    checks more than one table at a time: what needs instruments or feeds is checked at assembly.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

import msgspec

from tradecore.domain.delay_law import ConstantDelay, DelayLaw

NO_DELAY: Final = ConstantDelay()
INITIAL_MARGIN: Final = Decimal("0.5")
"""Of an account that says nothing else."""

# currency of a commission: "quote" is what the instrument is priced in, "base" what a unit of it is (taken from what
# was traded), "received" what the execution brings in (bought: base, sold: quote), else a currency such as "BNB".


class RateCommission(msgspec.Struct, frozen=True, tag="rate", forbid_unknown_fields=True):
    """A fraction of the value executed: 0.0005 = 5 basis points. Below 0 is a rebate."""

    maker: Decimal = Decimal(0)
    taker: Decimal = Decimal(0)
    currency: str = "quote"


class PerUnitCommission(msgspec.Struct, frozen=True, tag="per_unit", forbid_unknown_fields=True):
    """Money per unit of quantity (shares, contracts), with a least amount per execution."""

    amount: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)
    currency: str = "quote"


class FixedCommission(msgspec.Struct, frozen=True, tag="fixed", forbid_unknown_fields=True):
    """Money per execution, whatever its size."""

    amount: Decimal = Decimal(0)
    currency: str = "quote"


Commission = RateCommission | PerUnitCommission | FixedCommission


class TickSlippage(msgspec.Struct, frozen=True, tag="ticks", forbid_unknown_fields=True):
    """Takers give up this many price increments, never beyond their limit."""

    ticks: Decimal = Decimal(0)


class BasisPointSlippage(msgspec.Struct, frozen=True, tag="basis_points", forbid_unknown_fields=True):
    """Takers give up this many hundredths of a percent of the price, rounded to the grid against the order."""

    basis_points: Decimal = Decimal(0)


class DepthSlippage(msgspec.Struct, frozen=True, tag="depth", forbid_unknown_fields=True):
    """Takers walk down levels that are made up below the price shown: level_size units each, level_ticks apart.

    jitter: sizes vary evenly by this part up and down, drawn from the seed of the run. Quotes keep their own touch;
    a book that is shown (match source depth) is walked as it is.
    """

    level_size: Decimal
    level_ticks: Decimal = Decimal(1)
    jitter: Decimal = Decimal(0)


Slippage = TickSlippage | BasisPointSlippage | DepthSlippage


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Time each leg takes: to the venue (submit, cancel, update), and back (report)."""

    submit: DelayLaw = NO_DELAY
    cancel: DelayLaw = NO_DELAY
    update: DelayLaw = NO_DELAY
    report: DelayLaw = NO_DELAY


class SimulatedBrokerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A [brokers.NAME] table with type = "simulated".

    account: "cash" refuses shorts and what the cash does not pay; "margin" allows both up to initial_margin (fraction
    of the position's value that equity must cover). maintenance_margin: fraction below which equity must not fall while
    it is held (None: half of initial_margin); on_breach: what happens then: "close" cancels and closes everything, as a
    taker, "halt" cancels and ends the run. cash: initial money by currency, the account's own first. no_short:
    instruments that nobody lends. borrow_rate: what shorts cost a year, fraction of their value, at UTC midnights.
    match_on: match source by instrument, overriding the choice of EXECUTION 3 ("depth", "quote", "trade",
    "trade_queue", "bar_bid_ask", "bar"). spread: by instrument, price units, where only trades, or one side's bars, are
    there.

    contingency: who holds a group of orders: "client", we, by reports and commands that take their time; "venue", the
    broker, at once (EXECUTION 8).
    """

    account: Literal["cash", "margin"]
    cash: dict[str, Decimal]
    initial_margin: Decimal = INITIAL_MARGIN
    maintenance_margin: Decimal | None = None
    on_breach: Literal["close", "halt"] = "close"
    no_short: tuple[str, ...] = ()
    borrow_rate: Decimal = Decimal(0)
    commission: Commission = RateCommission()
    slippage: Slippage = TickSlippage()
    latency: Latency = Latency()
    bar_fill: Literal["next_open", "same_close"] = "next_open"
    bar_touch: Literal["through", "touch"] = "through"
    bar_path: Literal["worst", "ohlc"] = "worst"
    participation: Decimal = Decimal("0.1")
    open_grace: Decimal = Decimal("0.05")
    no_market: Literal["hold", "reject"] = "hold"
    stop_through: Literal["trigger", "reject"] = "trigger"
    self_trade: Literal["cancel_resting", "reject"] = "cancel_resting"
    contingency: Literal["client", "venue"] = "client"
    match_on: dict[str, str] = {}
    spread: dict[str, Decimal] = {}
