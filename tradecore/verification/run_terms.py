"""Run terms: what run.json says the run was to keep to: times, instruments, brokers and their latencies.

Receives: the facts of run.json.
Gives:    exact values; None or nothing where run.json does not say, so that a law can be left out.
Never:    trusts run.json to be what tradecore writes: a value of the wrong kind is a finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import exp
from statistics import NormalDist
from typing import Any, Final

from tradecore.verification.exact_number import parse_number
from tradecore.verification.law_book import LawBook
from tradecore.verification.run_files import RUN_FILE

LEGS: Final = ("submit", "cancel", "update", "report")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO: Final = re.compile(r"(?P<whole>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<part>\d{1,9}))?Z")
_STEP: Final = re.compile(r"(\d+)(ms|s|m|h|d|w|t)")
_SECOND_NS: Final = 10**9
_UNITS_NS: Final = {
    "ms": 10**6, "s": _SECOND_NS, "m": 60 * _SECOND_NS, "h": 3_600 * _SECOND_NS, "d": 86_400 * _SECOND_NS,
    "w": 604_800 * _SECOND_NS, "t": 0,
}  # fmt: skip
# The smallest uniform number that a delay is drawn from has 54 binary places.
_Z_LEAST: Final = NormalDist().inv_cdf(2.0**-54)


@dataclass(frozen=True, slots=True)
class InstrumentTerms:
    """Grid and money of an instrument. multiplier: money per price unit and quantity unit."""

    price_increment: Decimal
    quantity_increment: Decimal
    currency: str
    base_currency: str | None
    multiplier: Decimal


@dataclass(frozen=True, slots=True)
class BrokerTerms:
    """A simulated broker. least_ns, most_ns: what each leg's latency can be, most None without an upper end."""

    is_cash: bool
    cash: dict[str, Decimal]
    commission_type: str
    commission_currency: str
    commission: dict[str, Decimal]
    least_ns: dict[str, int]
    most_ns: dict[str, int | None]
    holds_groups: bool

    @property
    def currency(self) -> str:
        """The account's own: the first of its cash."""
        return next(iter(self.cash))

    def find_answer_ns(self) -> int | None:
        """How long a report, and a command in answer to it, may take; None without an upper end.

        Commands never overtake each other, so that one may have to wait for a slower one of another leg.
        """
        report, legs = self.most_ns["report"], [self.most_ns[leg] for leg in LEGS if leg != "report"]
        known = [most for most in legs if most is not None]
        return None if report is None or len(known) < len(legs) else report + max(known)


@dataclass(slots=True)
class RunTerms:
    """What is known of a run. brokers: the simulated ones. match_words, bar_steps_ns: by (broker, instrument);
    the latter where bars are matched, 0 for bars of ticks.
    """

    start_ns: int | None = None
    ended_ns: int | None = None
    instruments: dict[str, InstrumentTerms] = field(default_factory=dict)
    brokers: dict[str, BrokerTerms] = field(default_factory=dict)
    broker_names: frozenset[str] = frozenset()
    broker_of: dict[str, str] = field(default_factory=dict)
    match_words: dict[tuple[str, str], str] = field(default_factory=dict)
    bar_steps_ns: dict[tuple[str, str], int] = field(default_factory=dict)


def read_terms(facts: dict[str, Any], book: LawBook) -> RunTerms:
    """The terms in the facts of run.json."""
    terms, config = RunTerms(), _dict(facts.get("config"))
    run = _dict(config.get("run"))
    terms.start_ns = _try(book, "config.run.start", parse_time, run.get("start"))
    terms.ended_ns = _try(book, "ended_at", parse_time, facts.get("ended_at"))
    listed = {str(one.get("id")): one for one in _dicts(config.get("instruments"))}
    for name, one in {**listed, **_dict(facts.get("instruments"))}.items():
        found = _try(book, f"instrument {name}", _read_instrument, one)
        if found is not None:
            terms.instruments[name] = found
    brokers = _dict(config.get("brokers"))
    terms.broker_names = frozenset(brokers)
    for name, one in brokers.items():
        if isinstance(one, dict) and "cash" in one and "account" in one:
            broker = _try(book, f"config.brokers.{name}", _read_broker, one)
            if broker is not None:
                terms.brokers[name] = broker
    terms.broker_of = {str(one.get("name")): str(one.get("broker") or "") for one in _dicts(config.get("strategies"))}
    for key, source in _dict(facts.get("match_sources")).items():
        broker, _, instrument = key.rpartition(" ")
        terms.match_words[broker, instrument], *series = str(source).split(" ")
        step = next((_STEP.fullmatch(word) for word in series if _STEP.fullmatch(word)), None)
        if step is not None:
            terms.bar_steps_ns[broker, instrument] = int(step[1]) * _UNITS_NS[step[2]]
    return terms


def parse_time(text: Any) -> int:
    """Int nanoseconds of "2024-01-31T09:30:00.5Z". Raises: ValueError.

    >>> parse_time("1970-01-01T00:00:01.5Z")
    1500000000
    """
    match = _ISO.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is no time such as 2024-01-31T09:30:00Z")
    whole = datetime.fromisoformat(match["whole"]).replace(tzinfo=UTC)
    return (whole - _EPOCH) // timedelta(seconds=1) * 10**9 + int((match["part"] or "0").ljust(9, "0"))


def _read_instrument(one: dict[str, Any]) -> InstrumentTerms:
    price, quantity = (parse_number(str(one[name]), name) for name in ("price_increment", "quantity_increment"))
    multiplier = parse_number(str(one.get("multiplier", "1")), "multiplier")
    if min(price, quantity, multiplier) <= 0:
        raise ValueError("increments and multiplier must be above 0")
    return InstrumentTerms(price, quantity, str(one["currency"]), one.get("base_currency"), multiplier)


def _read_broker(one: dict[str, Any]) -> BrokerTerms:
    latency = _dict(one.get("latency"))
    bounds = {leg: _bound_delay(_dict(latency.get(leg))) for leg in LEGS}
    cash = {str(currency): parse_number(str(amount), f"cash.{currency}") for currency, amount in one["cash"].items()}
    if not cash:
        raise ValueError("cash is empty")
    commission = dict(_dict(one.get("commission")))
    return BrokerTerms(
        is_cash=one["account"] == "cash",
        cash=cash,
        commission_type=str(commission.pop("type", "rate")),
        commission_currency=str(commission.pop("currency", "quote")),
        commission={str(word): parse_number(str(rate), word) for word, rate in commission.items()},
        least_ns={leg: least for leg, (least, _) in bounds.items()},
        most_ns={leg: most for leg, (_, most) in bounds.items()},
        holds_groups=one.get("contingency", "client") == "venue",
    )


def _bound_delay(law: dict[str, Any]) -> tuple[int, int | None]:
    """The shortest and the longest that a delay law can give, ns, in whole microseconds; None: no end."""
    kind = law.get("type", "constant")
    most = None if law.get("max_ms") is None else _to_ns(law["max_ms"])
    if kind == "constant":
        constant = _to_ns(law.get("ms", 0))
        return constant, constant
    if kind == "normal":
        if float(law["sd_ms"]) <= 0:
            sure = _to_ns(max(float(law["mean_ms"]), float(law.get("min_ms", 0))))
            return (sure, sure) if most is None else (min(sure, most), min(sure, most))
        return _to_ns(law.get("min_ms", 0)), most
    if kind == "lognormal":
        least = _to_ns(float(law["median_ms"]) * exp(float(law["sigma"]) * _Z_LEAST))
        return (least if most is None else min(least, most)), most
    raise ValueError(f"delay law {kind!r} is unknown")


def _to_ns(ms: Any) -> int:
    return max(0, round(float(ms) * 1_000)) * 1_000


def _try(book: LawBook, what: str, read: Any, value: Any) -> Any:
    if value is None:
        return None
    try:
        return read(value)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        book.report("F3", RUN_FILE, None, f"{what} cannot be read: {error}")
        return None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
