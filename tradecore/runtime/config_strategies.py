"""Strategies in a configuration: names, brokers, classes, and what their params refer to.

Receives: the raw [[strategies]] tables, the names of brokers, the ids of instruments and their currencies.
Gives:    the params of each strategy in the types that its class names; mistakes in the log.
Never:    makes a strategy.    DESIGN 13; RELIABILITY "Strategy import".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tradecore.domain.bar_type import BarType
from tradecore.errors import InvalidName
from tradecore.runtime.config_mistakes import (
    BAD_NAME,
    CONTRADICTION,
    DUPLICATE,
    NOT_A_NUMBER,
    STRATEGY_IMPORT,
    STRATEGY_PARAMS,
    UNKNOWN_NAME,
    MistakeLog,
)
from tradecore.runtime.config_names import check_known_instrument, check_name, is_instrument_id
from tradecore.runtime.config_scalars import describe, is_sensible_number
from tradecore.runtime.nearest_name import find_nearest
from tradecore.runtime.strategy_reference import StrategyProblem, load_strategy_class, read_params
from tradecore.runtime.toml_places import KeyPath, format_key_path

_BAR_TYPE_LIKE: Final = re.compile(r"^\S+\.\S+ [1-9]\d*[a-z]+( [a-z]+)?$")
_PROBLEM_CODES: Final = {"path": BAD_NAME, "import": STRATEGY_IMPORT, "params": STRATEGY_PARAMS}


class _Market(NamedTuple):
    """What params of one strategy may refer to.

    known: ids of instruments, None when that cannot be said. currencies: of instruments whose definition is at hand.
    account: currency of the account that its orders go to, None while that is not known. cash: where it is written.
    """

    known: list[str] | None
    currencies: Mapping[str, str]
    account: str | None
    cash: KeyPath


def check_strategies(
    good: dict[KeyPath, Any],
    raw: list[Any],
    broker_names: list[str],
    known: list[str] | None,
    currencies: Mapping[str, str],
    log: MistakeLog,
) -> dict[int, dict[str, Any]]:
    """[[strategies]]: names, brokers, classes and params. The params by index, in the types of each class.

    currencies: what instruments are priced in, as far as that can be said here.
    """
    first_of: dict[str, int] = {}
    params: dict[int, dict[str, Any]] = {}
    for index in range(len(raw)):
        path: KeyPath = ("strategies", index)
        written_path = good.get((*path, "path"))
        name = good.get((*path, "name")) or (written_path or "").rpartition(":")[2]
        if name:
            if (*path, "name") in good:
                check_name(name, (*path, "name"), log)
            if name in first_of:
                help_ = f'write name = "{name}-2"; names begin order ids, so each is unique'
                text = f"strategies[{first_of[name]}] has the name {name} already"
                log.add(DUPLICATE, (*path, "name"), text, help_=help_)
            first_of.setdefault(name, index)
        _check_broker_name(good.get((*path, "broker")), broker_names, path, log)
        written = good.get((*path, "params"), {})
        market = _describe_market(good, good.get((*path, "broker")), broker_names, known, currencies, log)
        _check_param_values(written, market, (*path, "params"), log)
        if written_path is not None:
            params[index] = _check_class(written_path, written, path, log)
    return params


def _describe_market(
    good: dict[KeyPath, Any],
    broker: str | None,
    broker_names: list[str],
    known: list[str] | None,
    currencies: Mapping[str, str],
    log: MistakeLog,
) -> _Market:
    broker = broker or (broker_names[0] if len(broker_names) == 1 else "")
    path: KeyPath = ("brokers", broker, "cash")
    # Cash that is a mistake already says nothing about the instruments.
    is_sound = all(mistake.key != format_key_path(path) for mistake in log.found)
    return _Market(known, currencies, next(iter(good.get(path, ())), None) if is_sound else None, path)


def _check_broker_name(broker: str | None, names: list[str], path: KeyPath, log: MistakeLog) -> None:
    if broker is None:
        if len(names) > 1:
            help_ = f'write broker = "{names[0]}"'
            log.add(UNKNOWN_NAME, (*path, "broker"), "there are several brokers, say which", help_=help_)
        return
    if broker in names:
        return
    nearest = find_nearest(broker, names)
    log.add(
        UNKNOWN_NAME,
        (*path, "broker"),
        "no such broker",
        met=describe(broker),
        expected=f"one of {', '.join(names)}" if names else "a [brokers.NAME] table",
        nearest=nearest,
        help_=f'write broker = "{nearest}", or add a [brokers.{broker}] table'
        if nearest
        else f"add [brokers.{broker}]",
    )


def _check_class(written_path: str, written: dict[str, Any], path: KeyPath, log: MistakeLog) -> dict[str, Any]:
    strategy = load_strategy_class(written_path)
    if isinstance(strategy, StrategyProblem):
        _add_problem(strategy, (*path, "path"), log)
        return written
    arguments, problems = read_params(strategy, written)
    for problem in problems:
        _add_problem(problem, (*path, "params", problem.param or ""), log)
    return arguments


def _add_problem(problem: StrategyProblem, path: KeyPath, log: MistakeLog) -> None:
    log.add(
        _PROBLEM_CODES[problem.kind],
        path,
        problem.problem,
        met=problem.met,
        expected=problem.expected,
        nearest=problem.nearest,
        help_=problem.help,
    )


def _check_param_values(value: Any, market: _Market, path: KeyPath, log: MistakeLog) -> None:
    """Numbers that are finite, and instruments and bar types that exist, however deep they stand."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_param_values(inner, market, (*path, key), log)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_param_values(inner, market, (*path, index), log)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool) and not is_sensible_number(value):
        help_ = "write the number in full"
        log.add(NOT_A_NUMBER, path, "not a number that can be computed with", met=describe(value), help_=help_)
    elif isinstance(value, str):
        _check_param_text(value, market, path, log)


def _check_param_text(text: str, market: _Market, path: KeyPath, log: MistakeLog) -> None:
    names = [part for part in path[3:] if isinstance(part, str)]
    name = names[-1] if names else ""
    if name.endswith(("bar_type", "bar_types")) or _BAR_TYPE_LIKE.match(text):
        try:
            bar_type = BarType.parse(text)
        except InvalidName as error:
            log.add(BAD_NAME, path, str(error), help_=f'write {name} = "{(market.known or ["IBM.NYSE"])[0]} 1d last"')
            return
        _check_instrument(bar_type.instrument, market, path, log)
    elif name.endswith(("instrument", "instruments", "instrument_id")) and is_instrument_id(text, path, log):
        _check_instrument(text, market, path, log)


def _check_instrument(instrument: str, market: _Market, path: KeyPath, log: MistakeLog) -> None:
    """One that a param names: it exists, and is priced in the money of the account that would pay for it."""
    check_known_instrument(instrument, market.known, path, log)
    currency = market.currencies.get(instrument)
    if currency is None or market.account is None or currency == market.account:
        return
    broker, cash = format_key_path(market.cash[:-1]), format_key_path(market.cash)
    log.add(
        CONTRADICTION,
        path,
        f"{instrument} is priced in {currency}, and the account that this strategy uses is in {market.account}, the "
        f"first currency of {cash}; this version does not convert one strategy's money",
        help_=f"write cash = {{ {currency} = 100000 }} below [{broker}], or name a broker whose cash begins with it",
    )
