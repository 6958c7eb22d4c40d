"""RunPlan: what is to be run, as objects; the same whether it came from a file or from code.

Receives: a RunConfig, or the arguments of run_backtest.
Gives:    strategies made, brokers described, times in nanoseconds.
Never:    opens anything.    DESIGN 13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.delay_law import DelayLaw
from tradecore.domain.instant import check_ns, format_ns, to_ns
from tradecore.domain.instrument import Instrument
from tradecore.engine.participant import BrokerParticipant
from tradecore.errors import ConfigError
from tradecore.runtime.run_config import RunConfig
from tradecore.runtime.run_log import LEVELS, LogLevel
from tradecore.runtime.strategy_reference import create_strategy
from tradecore.storage.market_data_storage import MarketDataStorage
from tradecore.strategy.strategy import Strategy

Broker = SimulatedBrokerSettings | BrokerParticipant


class StrategyPlan(msgspec.Struct, frozen=True):
    """A strategy of a run: its name, the object, and the broker its orders go to (None: it has none)."""

    name: str
    strategy: Any
    broker: str | None


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run needs. Times in int nanoseconds, both included, None where open.

    storage: a connected store, a URL to open, or None for strategies that bring their own feeds. recording: folder of
    a recording that is read instead. folder: where a relative URL begins. runs_folder: None keeps no files.
    log_level: of run.log, log_stderr: of the log on stderr; logger: takes the log as well (run_log.py). description:
    the configuration as run.json shows it.
    """

    name: str
    strategies: tuple[StrategyPlan, ...]
    brokers: dict[str, Any]
    instruments: tuple[Instrument, ...] = ()
    storage: Any = None
    recording: Path | None = None
    folder: Path | None = None
    bundled: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    seed: int = 0
    batch_size: int = 4_096
    order_by: str = "delivery"
    on_error: str = "halt"
    delays: dict[str, DelayLaw] = {}
    adjustments: tuple[AccountAdjustment, ...] = ()
    trace: bool = False
    runs_folder: Path | None = None
    log_level: str = "info"
    log_stderr: str = "off"
    logger: Any = None
    description: dict[str, Any] = {}


def plan_from_config(
    config: RunConfig,
    *,
    runs_dir: str | Path | None,
    storage: MarketDataStorage | str | None,
    log_level: LogLevel | None = None,
    logger: Any = None,
) -> RunPlan:
    """The plan of a checked configuration; strategies are made here. runs_dir, storage, log_level: instead of what it
    says.

    Raises: ConfigError.
    """
    run = config.run
    strategies = [
        StrategyPlan(table.name, create_strategy(table.path, table.params), table.broker or None)
        for table in config.strategies
    ]
    return RunPlan(
        name=run.name,
        strategies=tuple(strategies),
        brokers=dict(config.brokers),
        instruments=config.instruments,
        storage=config.storage.url if storage is None else storage,
        recording=config.recording_folder if storage is None else None,
        folder=config.folder,
        bundled=config.data.bundled,
        start_ns=run.start_ns,
        end_ns=run.end_ns,
        seed=run.seed,
        batch_size=run.batch_size,
        order_by=run.order_by,
        on_error=run.on_error,
        delays=dict(config.delays),
        adjustments=tuple(table.to_event() for table in config.adjustments),
        trace=run.trace,
        runs_folder=config.runs_folder if runs_dir is None else Path(runs_dir),
        log_level=log_level or run.log_level,
        log_stderr=run.log_stderr,
        logger=logger,
        description=config.to_dict(),
    )


def plan_from_objects(
    *,
    name: str,
    strategies: Strategy | Sequence[Strategy] | Mapping[str, Strategy],
    brokers: Mapping[str, Broker],
    broker_of: Mapping[str, str] | None,
    instruments: Sequence[Instrument],
    storage: MarketDataStorage | str | None,
    recording: Path | None = None,
    start: datetime | int | None,
    end: datetime | int | None,
    seed: int,
    batch_size: int,
    order_by: str,
    on_error: str,
    delays: Mapping[str, DelayLaw],
    adjustments: Sequence[AccountAdjustment] = (),
    trace: bool,
    runs_folder: Path | None,
    log_level: LogLevel | None = None,
    logger: Any = None,
) -> RunPlan:
    """The plan of a run made in code. Raises: ConfigError with everything that does not fit together."""
    named = _name_strategies(strategies)
    mistakes = [*_check_words(order_by, on_error, delays, batch_size), *_check_brokers(named, brokers, broker_of)]
    if log_level not in (None, *LEVELS):
        mistakes.append(f"log_level is {log_level!r}; expected one of {', '.join(LEVELS)}")
    start_ns, end_ns = _to_instant(start), _to_instant(end)
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        mistakes.append(f"start {format_ns(start_ns)} is not before end {format_ns(end_ns)}")
    if mistakes:
        raise ConfigError("run_backtest", mistakes)
    default = next(iter(brokers), None)
    plans = tuple(StrategyPlan(key, strategy, (broker_of or {}).get(key, default)) for key, strategy in named.items())
    described: dict[str, Any] = {
        "run": {
            "name": name, "mode": "backtest", "seed": seed, "order_by": order_by, "on_error": on_error,
            **({} if recording is None else {"recording": recording.name}),
            **({} if start_ns is None else {"start": format_ns(start_ns)}),
            **({} if end_ns is None else {"end": format_ns(end_ns)}),
        },
        "strategies": [
            {"name": plan.name, "path": _path_of(plan.strategy), "broker": plan.broker or ""} for plan in plans
        ],
        "brokers": {
            key: msgspec.to_builtins(broker, enc_hook=str)
            if isinstance(broker, SimulatedBrokerSettings)
            else {"type": _path_of(broker)}
            for key, broker in brokers.items()
        },
        "instruments": [msgspec.to_builtins(instrument, enc_hook=str) for instrument in instruments],
        "delays": {kind: msgspec.to_builtins(law) for kind, law in delays.items()},
        "adjustments": [msgspec.to_builtins(adjustment, enc_hook=str) for adjustment in adjustments],
    }  # fmt: skip
    return RunPlan(
        name=name,
        strategies=plans,
        brokers=dict(brokers),
        instruments=tuple(instruments),
        storage=storage,
        recording=recording,
        start_ns=start_ns,
        end_ns=end_ns,
        seed=seed,
        batch_size=batch_size,
        order_by=order_by,
        on_error=on_error,
        delays=dict(delays),
        adjustments=tuple(adjustments),
        trace=trace,
        runs_folder=runs_folder,
        log_level=log_level or "info",
        logger=logger,
        description=described,
    )


def _name_strategies(strategies: Strategy | Sequence[Strategy] | Mapping[str, Strategy]) -> dict[str, Strategy]:
    """Names as given, else the class name, numbered from the second of a class on."""
    if isinstance(strategies, Mapping):
        return dict(strategies)
    # A class in place of an object is a mistake that _check_brokers names, like any other thing that is no strategy.
    listed = [strategies] if isinstance(strategies, Strategy | type) else list(strategies)
    named: dict[str, Strategy] = {}
    for strategy in listed:
        name = type(strategy).__name__
        count = 2
        while name in named:
            name = f"{type(strategy).__name__}-{count}"
            count += 1
        named[name] = strategy
    return named


def _check_words(order_by: str, on_error: str, delays: Mapping[str, DelayLaw], batch_size: int) -> list[str]:
    mistakes = []
    if order_by not in ("delivery", "event"):
        mistakes.append(f"order_by is {order_by!r}; expected 'delivery' or 'event'")
    if order_by == "event" and any(not law.is_zero for law in delays.values()):
        mistakes.append("order_by = 'event' with delays would show the future; take out one of them")
    if on_error not in ("halt", "isolate"):
        mistakes.append(f"on_error is {on_error!r}; expected 'halt' or 'isolate'")
    if batch_size < 1:
        mistakes.append(f"batch_size is {batch_size}; expected at least 1")
    return mistakes


def _check_brokers(
    strategies: Mapping[str, Any], brokers: Mapping[str, Broker], broker_of: Mapping[str, str] | None
) -> list[str]:
    mistakes = []
    if not strategies:
        mistakes.append("no strategies; give at least one Strategy object")
    for name, strategy in strategies.items():
        if isinstance(strategy, type):
            mistakes.append(f"strategy {strategy.__name__} is a class; make an object of it: {strategy.__name__}(...)")
        elif not isinstance(strategy, Strategy):
            mistakes.append(
                f"strategy {name!r} is a {type(strategy).__name__}; expected an object of a tc.Strategy subclass"
            )
    for name, broker in (broker_of or {}).items():
        if name not in strategies:
            mistakes.append(f"broker_of names strategy {name!r}; the strategies are {', '.join(strategies)}")
        if broker not in brokers:
            mistakes.append(f"broker_of gives {name!r} the broker {broker!r}; the brokers are {', '.join(brokers)}")
    for name, given in brokers.items():
        if not isinstance(given, SimulatedBrokerSettings) and not hasattr(given, "submit_order"):
            mistakes.append(
                f"broker {name!r} is a {type(given).__name__}; expected tc.SimulatedBrokerSettings(...) or a broker"
            )
            continue
        if not isinstance(given, SimulatedBrokerSettings) and getattr(given, "name", name) != name:
            mistakes.append(f"broker {name!r} calls itself {given.name!r}; name it alike in both places")
    return mistakes


def _path_of(thing: object) -> str:
    return f"{type(thing).__module__}:{type(thing).__qualname__}"


def _to_instant(moment: datetime | int | None) -> int | None:
    if moment is None:
        return None
    return check_ns(moment, "start or end") if isinstance(moment, int) else to_ns(moment)
