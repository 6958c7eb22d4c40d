"""AccountMoney: which money one account understands: its own, what converts into it, and how commission is paid.

Receives: the lanes that the broker opened; the commission of its settings; the instant at which it is.
Gives:    rates, charges and ledgers for each instrument; sentences about what cannot be paid or converted.
Never:    holds money: AccountBook does.    EXECUTION 9.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from functools import partial

from tradecore.brokerage.commission import make_charge
from tradecore.brokerage.conversion import COMMISSION_WORDS, Conversion, find_commission_mistake, is_plain
from tradecore.brokerage.converted_ledger import ConvertedLedger
from tradecore.brokerage.currency_paths import CurrencyPaths
from tradecore.brokerage.ledger import Ledger
from tradecore.brokerage.settings import Commission
from tradecore.domain.instrument import Instrument
from tradecore.engine.participant import Recorder
from tradecore.errors import InvalidOrder
from tradecore.execution.execution_engine import Charge
from tradecore.execution.lane import Lane


class AccountMoney:
    """Of one account. currency: its own. payable: ids of instruments that were found to be."""

    def __init__(self, broker: str, currency: str, commission: Commission, now: Callable[[], int]) -> None:
        """now: the instant at which the broker is, int nanoseconds."""
        self.currency = currency
        self.payable: set[str] = set()
        self.paths = CurrencyPaths(currency, ())
        self._broker, self._commission, self._now = broker, commission, now

    # ------------------------------------------------------------------------------------------------------ judging

    def find_paths(self, lanes: Iterable[Lane], needed: Collection[str]) -> list[str]:
        """Look for paths again, with these lanes. Sentences about needed currencies that have none."""
        self.paths = CurrencyPaths(self.currency, lanes, self.paths)
        wanted = set(needed)
        if wanted and self._commission.currency not in COMMISSION_WORDS:
            wanted.add(self._commission.currency)
        return [self._say_no_path(other) for other in sorted(wanted) if not self.paths.has_path(other)]

    def find_mistake(self, instrument: Instrument) -> str | None:
        """Why commission of an instrument cannot be paid as the settings say; None when it can."""
        return find_commission_mistake(self._commission.currency, instrument)

    def check_payable(self, instrument: Instrument | None, *, more_may_come: bool) -> None:
        """Whether money of an instrument can be booked here; once it can, it always can. Raises: InvalidOrder.

        instrument: None for one that is not known yet; that is judged when the order takes effect. more_may_come: a
        path may still show itself.
        """
        if instrument is None:
            return
        mistake = self.find_mistake(instrument)
        if mistake is None and not (more_may_come or self.paths.has_path(instrument.currency)):
            mistake = self._say_no_path(instrument.currency)
        if mistake is not None:
            raise InvalidOrder(f"broker {self._broker!r}: {mistake}")
        self.payable.add(instrument.id)

    def _say_no_path(self, currency: str) -> str:
        return (
            f"no instrument that is read converts {currency} into {self.currency}, the account's currency, directly or "
            f"over one other; add one to the run whose base_currency is {currency} and whose currency is "
            f"{self.currency}, or the other way round, or give the account cash in one currency only"
        )

    # -------------------------------------------------------------------------------------------------------- rates

    def find_rate(self, currency: str) -> Decimal | None:
        """Units of the account's currency for one of this, now; None before the first price."""
        return self.paths.find_rate(currency, self._now())

    def find_rate_at(self, currency: str, ts: int) -> Decimal | None:
        """The same at an instant of the window."""
        return self.paths.find_rate(currency, ts)

    def end_window(self, ledgers: Iterable[Ledger], until: int) -> None:
        """The window is over: marks in another currency are taken while its rates are there."""
        if self.paths.is_used:
            for ledger in ledgers:
                if ledger.conversion is not None:
                    ledger.record_marks(until, ledger.position.quantity)
            self.paths.end_window()

    # ------------------------------------------------------------------------------------------------- made of these

    def make_charge(self, instrument: Instrument) -> Charge:
        """The commission of an instrument."""
        return make_charge(self._commission, instrument, partial(self._compute_cross, instrument))

    def make_ledger(self, strategy: str, instrument: Instrument, lane: Lane, recorder: Recorder) -> Ledger:
        """A ledger, converting where the instrument's money or commission is not the account's."""
        if is_plain(instrument, self.currency, self._commission.currency):
            return Ledger(strategy, instrument, lane, recorder)
        return ConvertedLedger(strategy, instrument, lane, recorder, self._make_conversion(instrument))

    def _make_conversion(self, instrument: Instrument) -> Conversion:
        return Conversion(instrument, self.currency, self._commission.currency, self.find_rate_at)

    def _compute_cross(self, instrument: Instrument, currency: str) -> Decimal:
        return self._make_conversion(instrument).compute_cross(currency, self._now())
