"""load_config: a TOML file to a RunConfig, or every mistake in it at once.

Receives: the path of a configuration and --set overrides; or a RunConfig made in code.
Gives:    a RunConfig that is whole and consistent; else a ConfigError that carries all ConfigMistakes.
Never:    stops at the first mistake; opens a store; reads an environment variable.    DESIGN 13; RELIABILITY 13, 47.

What is checked: the file and its syntax (config_source.py), keys, types, words and ranges of every table
(config_tables.py), and what only shows when tables are compared (config_checks.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.delay_law import DelayLaw
from tradecore.domain.instrument import Instrument
from tradecore.errors import ConfigError
from tradecore.runtime import config_checks
from tradecore.runtime.adjustment_settings import AdjustmentSettings
from tradecore.runtime.config_live import LIVE_TABLES, check_live
from tradecore.runtime.config_mistakes import (
    MISSING_KEY,
    NOT_AVAILABLE,
    OVERRIDE,
    SYNTAX,
    UNKNOWN_KEY,
    UNKNOWN_WORD,
    UNREADABLE,
    WRONG_TYPE,
    ConfigMistake,
    MistakeLog,
)
from tradecore.runtime.config_names import check_name
from tradecore.runtime.config_scalars import BAD, describe
from tradecore.runtime.config_source import ConfigSource, SourceProblem, parse_config_text, read_config_source
from tradecore.runtime.config_strategies import check_strategies
from tradecore.runtime.config_tables import TableReader
from tradecore.runtime.live_settings import HandoverSettings, RecordingSettings, VenueSettings
from tradecore.runtime.nearest_name import find_nearest
from tradecore.runtime.run_config import (
    DELAYED_EVENT_TYPES,
    DataSettings,
    RunConfig,
    RunSettings,
    StorageSettings,
    StrategySettings,
)
from tradecore.runtime.toml_places import format_key_path

IN_CODE: Final = "the configuration in code"
TABLES: Final = (
    "run", "data", "storage", "instruments", "strategies", "brokers", "delays", "adjustments", *LIVE_TABLES,
)  # fmt: skip

_PROBLEM_CODES: Final = {"unreadable": UNREADABLE, "syntax": SYNTAX, "override": OVERRIDE}


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The checked configuration of a TOML file. overrides: "run.seed=8", "strategies[0].params.fast=5".

    An override's value is read as TOML where it is one, else as text. Strategies are imported, not made.
    Raises: ConfigError with every mistake of the file and the overrides.
    """
    source = read_config_source(Path(path), str(path))
    return _read_config(source, str(path), overrides)


def parse_config(
    text: str, overrides: Sequence[str] = (), *, name: str = IN_CODE, folder: Path | None = None
) -> RunConfig:
    """The checked configuration of a TOML text. name: what mistakes call it. Raises: ConfigError."""
    return _read_config(parse_config_text(text, name, folder), name, overrides)


def config_from_tables(
    tables: Mapping[str, Any], overrides: Sequence[str] = (), *, folder: Path | None = None
) -> RunConfig:
    """The checked configuration of tables made in code, in the shape of the file. Raises: ConfigError."""
    return _read_config(ConfigSource(IN_CODE, _copy(tables), {}, folder), IN_CODE, overrides)


def check_config(config: RunConfig, overrides: Sequence[str] = ()) -> RunConfig:
    """A RunConfig made in code, checked as a file is and with overrides applied. Raises: ConfigError."""
    source = ConfigSource(config.source or IN_CODE, _copy(config.to_tables()), {}, config.folder)
    checked = _read_config(source, source.name, overrides)
    return msgspec.structs.replace(checked, source=config.source)


def _copy(value: Any) -> Any:
    """Tables that overrides may change without changing the caller's."""
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list | tuple) else value


def _read_config(source: ConfigSource | SourceProblem, name: str, overrides: Sequence[str]) -> RunConfig:
    if isinstance(source, SourceProblem):
        raise ConfigError(name, [_to_mistake(source)])
    refused = [problem for problem in map(source.override, overrides) if problem is not None]
    log = MistakeLog(source)
    config = _ConfigReader(source, log).read()
    mistakes = [*log.found, *map(_to_mistake, refused)]
    if mistakes or config is None:
        raise ConfigError(name, mistakes)
    return config


def _to_mistake(problem: SourceProblem) -> ConfigMistake:
    return ConfigMistake(
        code=_PROBLEM_CODES[problem.kind],
        source=problem.source,
        line=problem.place.line if problem.place else None,
        column=problem.place.column if problem.place else None,
        key=format_key_path(problem.key),
        problem=problem.problem,
        help=problem.help,
    )


class _ConfigReader:
    """Reads the tables of one source; every mistake goes to the log, then `read` gives None."""

    def __init__(self, source: ConfigSource, log: MistakeLog) -> None:
        self._source, self._log = source, log
        self._tables = source.tables
        self._reader = TableReader(log)

    def read(self) -> RunConfig | None:
        meant = self._note_unknown_tables()
        run = self._read_run(meant)
        data = self._read_optional("data", DataSettings, DataSettings())
        storage = self._read_optional("storage", StorageSettings, StorageSettings())
        instruments = self._list_of_tables("instruments")
        for index, raw in enumerate(instruments):
            self._reader.read_struct(raw, Instrument, ("instruments", index))
        strategies = self._list_of_tables("strategies", needed="strategies" not in meant)
        read = [self._reader.read_struct(raw, StrategySettings, ("strategies", i)) for i, raw in enumerate(strategies)]
        brokers = self._read_brokers(needed="brokers" not in meant)
        delays = self._read_delays()
        adjustments = self._list_of_tables("adjustments")
        for index, raw in enumerate(adjustments):
            self._reader.read_struct(raw, AdjustmentSettings, ("adjustments", index))
        venues = self._read_venues()
        handover = self._read_optional("handover", HandoverSettings, HandoverSettings())
        recording = self._read_optional("recording", RecordingSettings, None)
        params = self._check(len(instruments), strategies, list(brokers))
        if len(self._log):
            return None
        return RunConfig(
            run=run,
            data=data,
            storage=storage,
            instruments=tuple(self._reader.good["instruments", i] for i in range(len(instruments))),
            strategies=tuple(_complete(s, params[i], next(iter(brokers))) for i, s in enumerate(read)),
            brokers=brokers,
            delays=delays,
            adjustments=tuple(self._reader.good["adjustments", i] for i in range(len(adjustments))),
            venues=venues,
            handover=handover,
            recording=recording,
            source="" if self._source.name == IN_CODE else self._source.name,
            folder=self._source.folder,
        )

    def _check(self, instrument_count: int, strategies: list[Any], brokers: list[str]) -> dict[int, dict[str, Any]]:
        good, log = self._reader.good, self._log
        config_checks.check_run(good, log)
        check_live(good, self._tables, log)
        config_checks.check_data(good, log)
        instruments = config_checks.check_instruments(good, instrument_count, log)
        known = config_checks.list_known_instruments(good, instrument_count)
        config_checks.check_brokers(good, brokers, known, log)
        config_checks.check_delay_laws(good, log)
        config_checks.check_adjustments(good, brokers, known, log)
        config_checks.check_currencies(good, brokers, instruments, log)
        currencies = config_checks.list_instrument_currencies(good, instrument_count)
        return check_strategies(good, strategies, brokers, known, currencies, log)

    # ------------------------------------------------------------------------------------------------------- tables

    def _note_unknown_tables(self) -> set[str]:
        meant: set[str] = set()
        absent = [table for table in TABLES if table not in self._tables]
        for name in self._tables:
            if name in TABLES:
                continue
            nearest = find_nearest(name, absent) or find_nearest(name, TABLES)
            meant.update([nearest] if nearest else [])
            kind = "table" if isinstance(self._tables[name], dict | list) else "key"
            help_ = (
                f"write [{nearest}] instead of [{name}]"
                if nearest
                else f"take it out; the tables are {', '.join(TABLES)}"
            )
            self._log.add(UNKNOWN_KEY, (name,), f"unknown {kind}", nearest=nearest, help_=help_)
        return meant

    def _read_run(self, meant: set[str]) -> Any:
        raw = self._tables.get("run")
        if raw is None:
            if "run" not in meant:
                help_ = 'write [run] with name = "my-run", start and end'
                self._log.add(MISSING_KEY, ("run",), "this table is missing", help_=help_)
            return BAD
        return self._reader.read_struct(raw, RunSettings, ("run",))

    def _read_optional(self, name: str, struct: type[Any], default: Any) -> Any:
        return self._reader.read_struct(self._tables[name], struct, (name,)) if name in self._tables else default

    def _list_of_tables(self, name: str, *, needed: bool = False) -> list[Any]:
        raw = self._tables.get(name)
        if raw is None or raw == []:
            if needed:
                help_ = f'write [[{name}]] with path = "package.module:Class"'
                self._log.add(MISSING_KEY, (name,), "a run needs at least one strategy", help_=help_)
            return []
        if not isinstance(raw, list):
            help_ = f"write [[{name}]] in double brackets, once for each"
            self._log.add(WRONG_TYPE, (name,), "a list of tables is needed", met=describe(raw), help_=help_)
            return []
        return raw

    def _read_brokers(self, *, needed: bool) -> dict[str, Any]:
        """Settings by name; a name is there although its settings are BAD, so that strategies may refer to it."""
        raw = self._tables.get("brokers")
        if not raw:
            if needed:
                help_ = 'write [brokers.sim] with type = "simulated", account = "margin" and cash = { USD = 100000 }'
                self._log.add(MISSING_KEY, ("brokers",), "a run needs at least one broker", help_=help_)
            return {}
        if not isinstance(raw, dict):
            help_ = "write [brokers.sim] as a table"
            self._log.add(WRONG_TYPE, ("brokers",), "a table for each broker is needed", met=describe(raw), help_=help_)
            return {}
        return {name: self._read_broker(name, table) for name, table in raw.items()}

    def _read_broker(self, name: str, raw: Any) -> Any:
        path = ("brokers", name)
        if not isinstance(raw, dict):
            help_ = f"write [brokers.{name}] above the settings of this broker"
            self._log.add(WRONG_TYPE, path, "a table for each broker is needed", met=describe(raw), help_=help_)
            return BAD
        check_name(name, path, self._log)
        settings = {key: value for key, value in raw.items() if key != "type"}
        kind = raw.get("type")
        read = self._reader.read_struct(settings, SimulatedBrokerSettings, path, also=["type"])
        if kind is None:
            mistyped = [key for key in settings if find_nearest(key, ["type"])]
            if not mistyped:
                help_ = f'write type = "simulated" below [brokers.{name}]'
                self._log.add(MISSING_KEY, (*path, "type"), "this key is missing", expected='"simulated"', help_=help_)
            return BAD
        if kind == "real":
            help_ = 'write type = "simulated"'
            self._log.add(NOT_AVAILABLE, (*path, "type"), "real brokers are not available in this version", help_=help_)
            return BAD
        if kind != "simulated":
            nearest = find_nearest(kind, ["simulated"]) if isinstance(kind, str) else None
            self._log.add(
                UNKNOWN_WORD,
                (*path, "type"),
                "no such kind of broker",
                met=describe(kind),
                expected='"simulated"',
                nearest=nearest,
                help_='write type = "simulated"',
            )
            return BAD
        return read

    def _read_venues(self) -> Any:
        raw = self._tables.get("venues", {})
        if not isinstance(raw, dict) or not all(isinstance(table, dict) for table in raw.values()):
            help_ = 'write [venues.binance] above type = "binance"'
            self._log.add(WRONG_TYPE, ("venues",), "a table for each venue is needed", met=describe(raw), help_=help_)
            return BAD
        return {name: self._reader.read_struct(table, VenueSettings, ("venues", name)) for name, table in raw.items()}

    def _read_delays(self) -> Any:
        raw = self._tables.get("delays", {})
        if not isinstance(raw, dict):
            help_ = '[delays] holds lines such as bar = { type = "constant", ms = 250 }'
            self._log.add(WRONG_TYPE, ("delays",), "a table is needed", met=describe(raw), help_=help_)
            return BAD
        for name in raw:
            if name not in DELAYED_EVENT_TYPES:
                nearest = find_nearest(name, DELAYED_EVENT_TYPES)
                listed = ", ".join(DELAYED_EVENT_TYPES)
                help_ = f"write {nearest}" if nearest else f"take it out; {listed} can be delayed"
                self._log.add(UNKNOWN_KEY, ("delays", name), "unknown event type", nearest=nearest, help_=help_)
        return {name: self._reader.read_value(law, DelayLaw, ("delays", name)) for name, law in raw.items()}


def _complete(strategy: StrategySettings, params: dict[str, Any], broker: str) -> StrategySettings:
    """Name and broker written out, params in the types of the class."""
    return msgspec.structs.replace(
        strategy,
        name=strategy.name or strategy.path.rpartition(":")[2],
        broker=strategy.broker or broker,
        params=params,
    )
