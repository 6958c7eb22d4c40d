"""RunConfig: everything that decides a run, as frozen values.

Receives: checked settings, from a file (runtime/config.py) or made in code.
Gives:    values for the assembly, resolved paths, and `to_dict()` for run.json.
Never:    opens, imports or checks anything.    DESIGN 13.

Paths written in a configuration are relative to the folder of its file. A path that is not written is not:
`runs_dir` then is `runs` in the current folder, so that `tradecore runs list`, typed where the run was, finds it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.delay_law import DelayLaw
from tradecore.domain.duration import parse_duration
from tradecore.domain.instant import to_ns
from tradecore.domain.instrument import Instrument
from tradecore.runtime.adjustment_settings import AdjustmentSettings
from tradecore.runtime.live_settings import HandoverSettings, RecordingSettings, VenueSettings
from tradecore.runtime.run_log import LogLevel

DELAYED_EVENT_TYPES: Final = ("bar", "trade_tick", "quote_tick", "depth")
"""What a [delays] table may name: imported market history; nothing else is delayed (EXECUTION 11)."""

RUNS_DIR_DEFAULT: Final = "runs"
STORAGE_URL_DEFAULT: Final = "sqlite:data/market.db"


class RunSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The [run] table.

    name: of the run folder. mode: "backtest" is phase B alone. start, end: aware UTC, both included; None: from the
    first, to the last event. seed: of every random draw, >= 0. batch_size: events per await; it changes no result.
    order_by: "delivery" (DESIGN 4), or "event" for the spec's literal order. on_error: what a strategy that raises
    ends: the run ("halt") or itself ("isolate"). runs_dir: folder of run folders, None: `runs` in the current folder.
    trace: keep every callback in the run folder as well. log_level: what run.log in the run folder has, from this level
    on ("off": there is none); log_stderr: the same for stderr. How loud a run is makes it no other run.

    Of a live run: mode "live" is phases A to D. warmup: how far back from now history is replayed, "30d" or "12h"; or
    start says it. duration: how long it goes on, or end; without both until it is stopped. clock: the machine's
    ("system"), or that of the one local venue ("venue"), so that a recorded day plays at any speed.
    """

    name: str
    mode: Literal["backtest", "live"] = "backtest"
    start: datetime | None = None
    end: datetime | None = None
    seed: int = 0
    batch_size: int = 4_096
    order_by: Literal["delivery", "event"] = "delivery"
    on_error: Literal["halt", "isolate"] = "halt"
    runs_dir: str | None = None
    trace: bool = False
    log_level: LogLevel = "info"
    log_stderr: LogLevel = "off"
    warmup: str | None = None
    duration: str | None = None
    clock: Literal["system", "venue"] = "system"

    @property
    def warmup_ns(self) -> int:
        """Warm-up in nanoseconds, 0 without."""
        return 0 if self.warmup is None else parse_duration(self.warmup)

    @property
    def duration_ns(self) -> int | None:
        """Duration in nanoseconds."""
        return None if self.duration is None else parse_duration(self.duration)

    @property
    def start_ns(self) -> int | None:
        """Start in nanoseconds since 1970 UTC."""
        return None if self.start is None else to_ns(self.start)

    @property
    def end_ns(self) -> int | None:
        """End in nanoseconds since 1970 UTC."""
        return None if self.end is None else to_ns(self.end)


class DataSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The [data] table.

    bundled: symbols whose daily bars come with tradecore; they go into a store that lacks them. recording: a folder
    that `tradecore data record` made; the run then reads that, by arrival, and no store.
    """

    bundled: tuple[str, ...] = ()
    recording: str | None = None


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The [storage] table. url: "sqlite:PATH", "parquet:FOLDER" or "memory:"; a path is relative to the file."""

    url: str = STORAGE_URL_DEFAULT


class StrategySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[strategies]] table.

    path: "package.module:Class". name: unique in the run, begins its order ids; the class name if it is not written.
    broker: name of a [brokers.NAME] table; the only one if it is not written. params: arguments of the class.
    """

    path: str
    name: str = ""
    broker: str = ""
    params: dict[str, Any] = {}


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration. source: the file as it was typed, "" when made in code; folder: where its paths begin."""

    run: RunSettings
    data: DataSettings = DataSettings()
    storage: StorageSettings = StorageSettings()
    instruments: tuple[Instrument, ...] = ()
    strategies: tuple[StrategySettings, ...]
    brokers: dict[str, SimulatedBrokerSettings]
    delays: dict[str, DelayLaw] = {}
    adjustments: tuple[AdjustmentSettings, ...] = ()
    venues: dict[str, VenueSettings] = {}
    handover: HandoverSettings = HandoverSettings()
    recording: RecordingSettings | None = None
    source: str = ""
    folder: Path | None = None

    @property
    def runs_folder(self) -> Path:
        """Folder of run folders: as written, relative to the file; else `runs` in the current folder."""
        if self.run.runs_dir is None:
            return Path(RUNS_DIR_DEFAULT)
        return (self.folder or Path()) / Path(self.run.runs_dir).expanduser()

    @property
    def recording_folder(self) -> Path | None:
        """The recording that is replayed, relative to the file; None for a run over a store."""
        if self.data.recording is None:
            return None
        return (self.folder or Path()) / Path(self.data.recording).expanduser()

    def to_tables(self) -> dict[str, Any]:
        """The tables as a file would have them: Decimal and datetime kept, every default written out.

        source and folder are left out: they say where a configuration was, not what it is.
        """
        tables: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(Decimal, datetime), enc_hook=str)
        del tables["source"], tables["folder"]
        if self.run.mode == "backtest":  # nothing of a live run belongs to it
            del tables["venues"], tables["handover"], tables["recording"]
            for key in ("warmup", "duration", "clock"):
                del tables["run"][key]
        tables["brokers"] = {name: {"type": "simulated", **table} for name, table in tables["brokers"].items()}
        for table in (*tables["strategies"], *tables["adjustments"], *tables.get("venues", {}).values()):
            for key in ("name", "broker", "instrument", "currency", "suffix"):
                if not table.get(key, True):
                    del table[key]
        written: dict[str, Any] = _without_none(tables)
        return written

    def to_dict(self) -> dict[str, Any]:
        """The tables in JSON's types: numbers with a point that money depends on as strings, times as ISO 8601 UTC.

        The same configuration gives the same dict, in the same order, on every machine. What is logged is left out:
        the run is the same.
        """
        plain: dict[str, Any] = msgspec.to_builtins(self.to_tables(), enc_hook=str)
        del plain["run"]["log_level"], plain["run"]["log_stderr"]
        return plain


def _without_none(value: Any) -> Any:
    """TOML has no null: a key that is None is not written. Tuples become lists, as TOML reads them."""
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_none(inner) for inner in value]
    return value
