"""`tradecore run CONFIG`: a backtest, or a live run, from a configuration.

Receives: the configuration, overrides, where run folders go.
Gives:    the result on stdout, progress on a terminal; exit 0, 1 when a strategy failed, 130 or 143 when interrupted,
          with what came of it until then kept and labelled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tradecore.cli.interruption import Interruption, run_interruptible, say_interrupted
from tradecore.cli.live_line import LiveLine
from tradecore.cli.options import (
    debug_option,
    json_option,
    list_overrides,
    log_level_option,
    period_options,
    quiet_option,
    runs_dir_option,
    set_option,
)
from tradecore.cli.progress_line import ProgressLine
from tradecore.cli.strategy_imports import allow_imports_beside
from tradecore.runtime.config import load_config

if TYPE_CHECKING:
    from tradecore.runtime.run_config import RunConfig
    from tradecore.runtime.run_result import RunResult


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@set_option
@period_options
@click.option("--seed", type=int, help="Seed of every random draw.")
@runs_dir_option
@json_option
@quiet_option
@log_level_option
@debug_option
def run(
    config: Path,
    overrides: tuple[str, ...],
    start_ns: int | None,
    end_ns: int | None,
    seed: int | None,
    runs_dir: Path | None,
    as_json: bool,
    quiet: bool,
    log_level: str | None,
) -> int:
    """Run CONFIG and print what came of it.

    A live run ([run] mode = "live") subscribes, replays history, catches up and trades live, until its duration is over
    or you stop it. Ctrl-C stops cleanly, in every phase: what was done until then is kept in the run folder and
    labelled. A second one leaves at once.
    """
    allow_imports_beside(config)
    listed = list_overrides(overrides, start_ns, end_ns, seed)
    if log_level is not None:
        listed.append(f'run.log_stderr="{log_level}"')
    loaded = load_config(config, listed)
    quiet = quiet or loaded.run.log_stderr != "off"  # a line that is painted over and lines that stay do not mix
    if loaded.run.mode == "live":
        with LiveLine(quiet=quiet) as live:
            result, interruption = run_interruptible(lambda i: _run_live(loaded, runs_dir, live, i))
    else:
        with ProgressLine(quiet=quiet) as line:
            result, interruption = run_interruptible(lambda i: _run(loaded, runs_dir, line, i))
    _print_result(result, interruption, as_json=as_json)
    return _exit_code_of(result, interruption)


async def _run(config: RunConfig, runs_dir: Path | None, line: ProgressLine, interruption: Interruption) -> RunResult:
    """The result; partial, and labelled so, once the scope was cancelled."""
    from tradecore.runtime.run_backtest import run_backtest

    return await run_backtest(config, runs_dir=runs_dir, progress=line.show_run, scope=interruption.scope)


async def _run_live(config: RunConfig, runs_dir: Path | None, line: LiveLine, interruption: Interruption) -> RunResult:
    """The same of a live run."""
    from tradecore.cli.stall_watch import StallWatch
    from tradecore.runtime.run_live import run_live

    with StallWatch():
        return await run_live(
            config, runs_dir=runs_dir, progress=line.show_progress, watch=line.watch, scope=interruption.scope
        )


def _print_result(result: RunResult, interruption: Interruption, *, as_json: bool) -> None:
    if interruption.signal is not None:
        say_interrupted(interruption)
    from tradecore.cli.result_text import describe_result, format_result

    if as_json:
        click.echo(json.dumps({**describe_result(result), "exit_code": _exit_code_of(result, interruption)}))
    else:
        click.echo(format_result(result), nl=False)


def _exit_code_of(result: RunResult, interruption: Interruption) -> int:
    if result.status == "interrupted":
        return interruption.exit_code or 1
    # A strategy that was set apart is a failure, although the others went on to the end.
    return 0 if result.status == "complete" and not result.failures else 1
