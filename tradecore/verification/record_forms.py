"""Record forms: what a line of orders.jsonl or executions.jsonl must be, and its values.

Receives: the decoded JSON of one line.
Gives:    an OrderLine or an ExecutionLine with exact numbers.
Never:    judges more than the form of the one record: a LIMIT order has a price, a side is BUY or SELL.

Raises ValueError for whatever is no such record; its text says what was met.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from tradecore.verification.exact_number import ZERO, parse_number

ORDER_STATES: Final = frozenset(
    {
        "INITIALIZED", "DENIED", "SUBMITTED", "REJECTED", "ACCEPTED", "TRIGGERED", "PARTIALLY_FILLED", "FILLED",
        "CANCELLED", "EXPIRED", "ABANDONED",
    }
)  # fmt: skip
FINISHED: Final = frozenset({"DENIED", "REJECTED", "FILLED", "CANCELLED", "EXPIRED", "ABANDONED"})

_TIMES_IN_FORCE: Final = frozenset({"GTC", "GTD", "DAY", "IOC", "FOK"})
# Whether an order of a type has a price and a stop_price. Other types are taken as they are.
_HAS_PRICES: Final = {
    "MARKET": (False, False),
    "LIMIT": (True, False),
    "STOP": (False, True),
    "STOP_LIMIT": (True, True),
    "MARKET_IF_TOUCHED": (False, True),
}
_NO_TERMS: Final[dict[str, Any]] = {}


class OrderLine:
    """An order as one line shows it. number: of the line. group_id .. is_reduce_only: optional, see the package."""

    __slots__ = (
        "average", "broker", "contingency", "expire_ns", "filled", "group_id", "instrument", "is_answer", "is_buy",
        "is_post_only", "is_reduce_only", "is_update", "is_updated", "number", "order_id", "order_type", "parent_id",
        "price", "quantity", "reason", "role", "state", "stop_price", "strategy", "time_in_force", "ts_command",
        "ts_decided", "ts_event",
    )  # fmt: skip

    def __init__(self, number: int, record: dict[str, Any]) -> None:
        """Raises: ValueError, KeyError."""
        self.number = number
        self.order_id = _read_text(record, "order_id")
        self.strategy = _read_text(record, "strategy")
        self.broker = _read_text(record, "broker")
        self.instrument = _read_text(record, "instrument")
        self.is_buy = _read_word(record, "side", _SIDES) == "BUY"
        self.order_type = _read_text(record, "order_type")
        self.quantity = parse_number(record["quantity"], "quantity")
        self.price = _read_optional(record, "price")
        self.stop_price = _read_optional(record, "stop_price")
        self.time_in_force = _read_word(record, "time_in_force", _TIMES_IN_FORCE)
        self.state = _read_word(record, "state", ORDER_STATES)
        self.filled = parse_number(record["filled_quantity"], "filled_quantity")
        self.average = _read_optional(record, "average_price")
        self.reason: str | None = record["reason"]
        self.ts_decided = _read_time(record, "ts_decided")
        self.ts_event = _read_time(record, "ts_event")
        self.ts_command = _read_time(record, "ts_command") if "ts_command" in record else 0
        self.is_updated = record.get("updated", False) is True
        is_refused = record.get("update_rejected", False) is True
        self.is_update = self.is_updated or is_refused
        self.is_answer = is_refused or record.get("cancel_rejected", False) is True
        terms = record.get("terms", _NO_TERMS)
        if not isinstance(terms, dict):
            raise ValueError(f"terms is {terms!r}; expected an object")  # noqa: TRY004  (a wrong record, not a bug)
        self.is_post_only = terms.get("post_only", False) is True
        self.is_reduce_only = terms.get("reduce_only", False) is True
        self.expire_ns = None if terms.get("expire_ns") is None else _read_time(terms, "expire_ns")
        self.group_id: str | None = terms.get("group_id")
        self.contingency: str | None = terms.get("contingency")
        self.role: str | None = terms.get("role")
        self.parent_id: str | None = terms.get("parent_id")
        self._check()

    def _check(self) -> None:
        if self.quantity <= 0:
            raise ValueError(f"quantity is {self.quantity}; expected above 0, beside side")
        wanted = _HAS_PRICES.get(self.order_type)
        met = (self.price is not None, self.stop_price is not None)
        if wanted is not None and wanted != met:
            names = [name for name, has, must in zip(("price", "stop_price"), met, wanted, strict=True) if has != must]
            raise ValueError(f"a {self.order_type} order whose {' and '.join(names)} should be the other way round")
        if (self.average is None) != (self.filled == 0):
            raise ValueError(f"average_price is {self.average} while {self.filled} are executed")

    @property
    def terms(self) -> tuple[Decimal, Decimal | None, Decimal | None]:
        """What an update may change."""
        return self.quantity, self.price, self.stop_price

    @property
    def intent(self) -> tuple[object, ...]:
        """What never changes."""
        return (
            self.strategy, self.broker, self.instrument, self.is_buy, self.order_type, self.time_in_force,
            self.ts_decided, self.is_post_only, self.is_reduce_only, self.expire_ns, self.group_id, self.parent_id,
        )  # fmt: skip


class ExecutionLine:
    """An execution as one line shows it.

    held_before: signed position of its ledger before it. moved: what it changed that by, signed: its quantity, less
    commission that is taken from it. is_converted: it means money of another currency, at rates of its own.
    """

    __slots__ = (
        "broker", "commission", "commission_currency", "execution_id", "held_before", "instrument", "is_buy",
        "is_converted", "is_maker", "matched_on", "moved", "number", "order_id", "price", "quantity", "slippage",
        "source", "strategy", "ts_event",
    )  # fmt: skip

    def __init__(self, number: int, record: dict[str, Any]) -> None:
        """Raises: ValueError, KeyError."""
        self.number = number
        self.execution_id = _read_text(record, "execution_id")
        self.order_id = _read_text(record, "order_id")
        self.strategy = _read_text(record, "strategy")
        self.broker = _read_text(record, "broker")
        self.source = _read_word(record, "source", _SOURCES)
        self.instrument = _read_text(record, "instrument")
        self.is_buy = _read_word(record, "side", _SIDES) == "BUY"
        self.quantity = parse_number(record["quantity"], "quantity")
        self.price = parse_number(record["price"], "price")
        self.commission = parse_number(record["commission"], "commission")
        self.commission_currency = _read_text(record, "commission_currency")
        self.is_maker = _read_word(record, "liquidity", _LIQUIDITIES) == "MAKER"
        self.matched_on = _read_text(record, "matched_on")
        self.ts_event = _read_time(record, "ts_event")
        self.slippage = parse_number(record.get("slippage", "0"), "slippage")
        self.is_converted = record.get("rate") is not None or record.get("commission_rate") is not None
        self.held_before = ZERO
        self.moved = self.quantity if self.is_buy else -self.quantity
        if self.quantity <= 0:
            raise ValueError(f"quantity is {self.quantity}; expected above 0, beside side")
        if self.slippage < 0 or (self.slippage and self.is_maker):
            raise ValueError(f"slippage is {self.slippage}; expected 0 of a maker, and at least 0 of a taker")

    @property
    def ledger_key(self) -> tuple[str, str, str, str]:
        """Which ledger it belongs to: strategy, broker, source, instrument."""
        return self.strategy, self.broker, self.source, self.instrument

    def take_commission_away(self) -> None:
        """Its commission is in units of what is traded: so many fewer are held, bought or sold."""
        self.moved -= self.commission
        self.is_converted = True


_SIDES: Final = frozenset({"BUY", "SELL"})
_SOURCES: Final = frozenset({"SIMULATED", "REAL"})
_LIQUIDITIES: Final = frozenset({"MAKER", "TAKER"})


def _read_text(record: dict[str, Any], name: str) -> str:
    value = record[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}; expected a text")
    return value


def _read_word(record: dict[str, Any], name: str, words: frozenset[str]) -> str:
    value = record[name]
    if value not in words:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(sorted(words))}")
    assert isinstance(value, str)
    return value


def _read_time(record: dict[str, Any], name: str) -> int:
    value = record[name]
    if type(value) is not int:
        raise ValueError(f"{name} is {value!r}; expected int nanoseconds since 1970 UTC")
    return value


def _read_optional(record: dict[str, Any], name: str) -> Decimal | None:
    value = record[name]
    return None if value is None else parse_number(value, name)
