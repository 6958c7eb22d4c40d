"""Diagnostics: what is shown when something is wrong, and what to type next.

Receives: an error; whether a machine reads the output, whether frames of the engine are wanted.
Gives:    a message on stderr that ends with what to type; with --json also one object on stdout.
Never:    shows the frames of tradecore's own engine between the user and the user's line, unless --debug asks.
"""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any, Final

import click

from tradecore.errors import (
    BackfillTooLarge,
    CatchUpTooSlow,
    ConfigError,
    DataMissing,
    FeedError,
    ImportDataError,
    ImportSettingsError,
    InstrumentConflict,
    InvalidEvent,
    InvalidName,
    LocalVenueError,
    NotARunFolder,
    OrderError,
    RecordingFailed,
    RecordingUnreadable,
    RunFolderError,
    SeriesNotFound,
    SpillFailed,
    StorageConflict,
    StorageSchemaNewer,
    StorageUnavailable,
    StrategyError,
    StreamBroken,
    StreamConflict,
    SubscriptionRefused,
    TradecoreError,
    TurnLimitExceeded,
    UnknownInstrument,
    UnknownSymbol,
    UnknownVenue,
    VenueError,
    VenueProcessFailed,
    VenueUntrusted,
)
from tradecore.runtime.config_mistakes import ConfigMistake

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_EXAMPLES: Final = _PACKAGE / "examples"

_NEXT_STEPS: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...]] = (
    (UnknownInstrument, "`tradecore data list` shows the instruments of a store"),
    (InvalidName, "write the name as the message says"),
    (DataMissing, "`tradecore data list` shows what there is; `tradecore data import FILE` adds to it"),
    (SeriesNotFound, "`tradecore data list` shows what there is; `tradecore data import FILE` adds to it"),
    (ImportSettingsError, "`tradecore data import --help` lists the options"),
    (ImportDataError, "`tradecore data import FILE --dry-run` shows how the file is read"),
    (StorageSchemaNewer, "use a newer tradecore, or another --storage"),
    (StorageConflict, "`tradecore data info` shows the series; import into another --storage to compare"),
    (StorageUnavailable, "check the path, or name another store with --storage URL or [storage] url"),
    (UnknownVenue, "correct the configuration, then `tradecore check CONFIG`"),
    (InstrumentConflict, "correct the [[instruments]] table, then run again"),
    (BackfillTooLarge, "`tradecore data import FILE` brings the archive in"),
    (VenueProcessFailed, "`tradecore venue --help` lists the options"),
    (UnknownSymbol, "write the symbol as the venue does, then run again"),
    (SubscriptionRefused, "subscribe to what the venue has, then run again"),
    (VenueUntrusted, "do as the message says; what answers there may not be the venue"),
    (VenueError, "check the address and the network, then run again"),
    ((StreamBroken, StreamConflict), "handover.json in the run folder says what is missing, stream by stream"),
    (SpillFailed, "free some space, or raise [handover] buffer_events, then run again"),
    (CatchUpTooSlow, "make the callbacks faster or subscribe to less, then run again"),
    (FeedError, "`tradecore data verify` finds disorder in a store"),
    (InvalidEvent, "correct the data, then run again"),
    (OrderError, "correct the order in the strategy, then run again"),
    (TurnLimitExceeded, "look for orders that answer each other at one instant, then run again"),
    (NotARunFolder, "`tradecore runs list` shows the runs of a folder"),
    (LocalVenueError, "correct what the message names; `tradecore venue --help` lists the options"),
    (RecordingFailed, "free some space or name another folder, then run again"),
    (RecordingUnreadable, "name the folder that `tradecore data record`, or a live run with [recording], has left"),
    (RunFolderError, "free some space or name another folder with --runs-dir, then run again"),
)
"""Most special first: the first class that fits is taken."""


def find_origin(error: Exception) -> Exception:
    """What is to be shown of an error, and decides the exit code.

    A subscription is carried out for a strategy, so data that is not there reaches us as its error. Where no line of
    the user raised it, it is shown as what it is.
    """
    cause = error.__cause__
    if isinstance(error, StrategyError) and isinstance(cause, TradecoreError):
        frames = traceback.extract_tb(cause.__traceback__)
        if all(_is_own(frame.filename) for frame in frames):
            cause.add_note(f"asked for by strategy {error.strategy!r}, {error.callback}")
            cause.run_folder = error.run_folder
            return cause
    return error


def show_error(error: Exception, *, as_json: bool, debug: bool) -> None:
    """Show an error on stderr, and with as_json also as one object on stdout."""
    if isinstance(error, ConfigError):
        _show_config_error(error)
    elif isinstance(error, StrategyError):
        _show_strategy_error(error, debug=debug)
    elif isinstance(error, TradecoreError):
        _say_error(type(error).__name__, "\n".join([str(error), *getattr(error, "__notes__", ())]))
        if debug:
            click.echo("".join(traceback.format_exception(error)), err=True)
        _say_next(suggest_next(error))
    else:
        click.echo("".join(traceback.format_exception(error)), err=True)
        _say_error("error that tradecore did not foresee", f"{type(error).__name__}: {error}")
        _say_next("report it with the lines above")
    folder = getattr(error, "run_folder", None)
    if folder is not None:
        click.echo(f"partial results: {folder}", err=True)
    if as_json:
        click.echo(json.dumps(describe_error(error)))


def describe_error(error: Exception) -> dict[str, Any]:
    """The error in JSON's types: class, message, exit code, place of each mistake."""
    described: dict[str, Any] = {
        "status": "failed",
        "exit_code": error.exit_code if isinstance(error, TradecoreError) else 1,
        "error": {"type": type(error).__name__, "message": str(error), "next": suggest_next(error)},
    }
    if isinstance(error, ConfigError):
        described["error"]["mistakes"] = [_describe_mistake(mistake) for mistake in error.mistakes]
    if isinstance(error, StrategyError):
        described["error"].update(strategy=error.strategy, callback=error.callback, where=error.where)
    folder = getattr(error, "run_folder", None)
    if folder is not None:
        described["run_folder"] = str(folder)
    return described


def suggest_next(error: Exception) -> str:
    """What to type, or do, after this error."""
    if isinstance(error, ConfigError):
        # What only shows once the series of a run are known comes from a broker, which no command can check alone.
        is_file = any(isinstance(mistake, ConfigMistake) for mistake in error.mistakes)
        return "correct the above, then " + (f"`tradecore check {error.source}`" if is_file else "run again")
    if isinstance(error, StrategyError):
        return f"correct {error.where}, then run again; --debug shows every frame"
    for kind, step in _NEXT_STEPS:
        if isinstance(error, kind):
            is_of_run = kind is VenueError and getattr(error, "run_folder", None) is not None
            return f"{step}; handover.json in the run folder says how far it came" if is_of_run else step
    return "--debug shows where it came from"


def _show_config_error(error: ConfigError) -> None:
    for mistake in error.mistakes:
        if isinstance(mistake, ConfigMistake):
            head = click.style(f"error[{mistake.code}]", fg="red", bold=True)
            click.echo(f"{head} {mistake.place} {mistake.message}", err=True)
            click.echo(f"  {click.style('help:', fg='cyan')} {mistake.help}", err=True)
        else:
            click.echo(str(mistake), err=True)
    count = len(error.mistakes)
    was_begun = getattr(error, "run_folder", None) is not None
    end = "the run ended at its start" if was_begun else "nothing was run"
    click.echo(f"{error.source}: {count} mistake{'s' if count != 1 else ''}; {end}", err=True)
    _say_next(suggest_next(error))


def _show_strategy_error(error: StrategyError, *, debug: bool) -> None:
    cause = error.__cause__
    if cause is not None:
        click.echo(format_user_traceback(cause, debug=debug), err=True, nl=False)
    _say_error("StrategyError", f"strategy {error.strategy!r} raised in {error.callback} ({error.where})")
    for note in getattr(error, "__notes__", ()):
        click.echo(f"  {note}", err=True)
    _say_next(suggest_next(error))


def format_user_traceback(error: BaseException, *, debug: bool = False) -> str:
    """The traceback of an error that user code raised, without the frames of tradecore around it.

    Where nothing but tradecore's frames are there, all are shown. Its causes are treated the same way.
    """
    shown = traceback.TracebackException.from_exception(error)
    if not debug:
        _hide_own_frames(shown)
    return "".join(shown.format())


def _hide_own_frames(shown: traceback.TracebackException) -> None:
    users = [frame for frame in shown.stack if not _is_own(frame.filename)]
    if users:
        shown.stack = traceback.StackSummary.from_list(users)
    for inner in (shown.__cause__, shown.__context__):
        if inner is not None:
            _hide_own_frames(inner)


def _is_own(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(_PACKAGE) and not path.is_relative_to(_EXAMPLES)


def _describe_mistake(mistake: object) -> dict[str, Any] | str:
    if not isinstance(mistake, ConfigMistake):
        return str(mistake)
    names = ("code", "source", "line", "column", "key", "problem", "met", "expected", "nearest", "help")
    return {name: getattr(mistake, name) for name in names}


def _say_error(kind: str, message: str) -> None:
    click.echo(f"{click.style(f'{kind}:', fg='red', bold=True)} {message}", err=True)


def _say_next(step: str) -> None:
    click.echo(f"{click.style('next:', fg='cyan')} {step}", err=True)
