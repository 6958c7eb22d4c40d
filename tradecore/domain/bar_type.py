"""BarType: which bars: instrument, size of the step, and the price they are made of.

Written "IBM.NYSE 1d last", "GBPUSD.FX 5m bid", "AIG.Q 100t last" (100 ticks). One object exists per bar type, so
that comparing and hashing cost what comparing two pointers costs; routes of the engine rely on it.    Spec: 1.2, 2.1.
"""

from __future__ import annotations

import re
from typing import Any, Final, final

from tradecore.domain.instant import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tradecore.domain.instrument import check_instrument_id
from tradecore.errors import InvalidName

UNIT_NS: Final = {"ms": 1_000_000, "s": SECOND_NS, "m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS, "t": 0}
PRICES: Final = ("last", "bid", "ask", "mid")
_STEP = re.compile(r"^(?P<count>[1-9]\d*)(?P<unit>[a-z]+)$")
_interned: dict[str, BarType] = {}


@final
class BarType:
    """Identity of a series of bars. Immutable and interned: equal bar types are the same object.

    instrument: id such as "IBM.NYSE". count and unit: the step, "5" and "m". price: "last", "bid", "ask" or "mid".
    step_ns: length of a bar in nanoseconds; 0 for bars of a number of ticks.
    """

    __slots__ = ("count", "instrument", "name", "price", "step_ns", "unit")

    instrument: str
    count: int
    unit: str
    price: str
    step_ns: int
    name: str

    def __new__(cls, instrument: str, step: str, price: str = "last") -> BarType:
        """The one BarType of these words. Raises: InvalidName."""
        name = f"{instrument} {step} {price}"
        known = _interned.get(name)
        if known is not None:
            return known
        check_instrument_id(instrument)
        match = _STEP.match(step)
        if match is None or match["unit"] not in UNIT_NS:
            raise InvalidName(
                f"bar step {step!r} in {name!r} cannot be read; expected a whole number and a unit of "
                f"{', '.join(UNIT_NS)} (t = ticks), for example 1m, 4h, 1d, 100t"
            )
        if price not in PRICES:
            raise InvalidName(f"bar price {price!r} in {name!r} is unknown; expected one of {', '.join(PRICES)}")
        self = super().__new__(cls)
        set_ = object.__setattr__
        set_(self, "instrument", instrument)
        set_(self, "count", int(match["count"]))
        set_(self, "unit", match["unit"])
        set_(self, "price", price)
        set_(self, "step_ns", int(match["count"]) * UNIT_NS[match["unit"]])
        set_(self, "name", name)
        return _interned.setdefault(name, self)

    @classmethod
    def parse(cls, text: str | BarType) -> BarType:
        """BarType of "INSTRUMENT STEP PRICE"; a BarType is returned as it is.

        >>> BarType.parse("IBM.NYSE 1d last").step_ns == 86_400 * 10**9
        True
        """
        if isinstance(text, BarType):
            return text
        known = _interned.get(text)
        if known is not None:
            return known
        words = text.split()
        if len(words) not in (2, 3):
            raise InvalidName(
                f"bar type {text!r} cannot be read; expected 'INSTRUMENT STEP PRICE' as in 'IBM.NYSE 1d last'"
            )
        return cls(*words)

    @property
    def is_time_based(self) -> bool:
        """True for bars of a stretch of time, False for bars of a number of ticks."""
        return self.step_ns > 0

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"BarType is immutable; cannot set {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"BarType is immutable; cannot delete {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return (BarType.parse, (self.name,))

    def __copy__(self) -> BarType:
        return self

    def __deepcopy__(self, memo: object) -> BarType:
        return self

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"BarType({self.name!r})"
