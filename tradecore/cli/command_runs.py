"""`tradecore runs list|show|rm`: the folders that runs left."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import click

from tradecore.cli.options import debug_option, json_option
from tradecore.cli.result_text import format_table
from tradecore.errors import RunFolderError
from tradecore.journal.run_folder import RUN_FILE
from tradecore.journal.run_reading import LoadedRun, list_runs, load_run
from tradecore.runtime.nearest_name import find_nearest
from tradecore.runtime.run_config import RUNS_DIR_DEFAULT

_EXIT_MISMATCH: Final = 7

_runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=RUNS_DIR_DEFAULT,
    show_default=True,
    help="Folder of run folders.",
)


@click.group()
def runs() -> None:
    """List, show and remove the folders that runs left. Each holds the whole configuration and every execution."""


@runs.command("list")
@_runs_dir_option
@json_option
@debug_option
def list_(runs_dir: Path, as_json: bool) -> int:
    """List the runs of a folder: status, trades, profit, drawdown."""
    found = sorted(list_runs(runs_dir), key=lambda run: _natural_key(run.run_id))
    if as_json:
        click.echo(json.dumps({"runs_dir": str(runs_dir), "runs": [_summarise(run) for run in found]}))
        return 0
    if not found:
        click.echo(f"there are no runs in {runs_dir}", err=True)
        click.echo("next: tradecore run CONFIG, or name another folder with --runs-dir", err=True)
        return 0
    rows = [tuple(_show(value) for value in _summarise(run).values()) for run in found]
    heads = ("run", "status", "trades", "net profit", "return", "max drawdown")
    click.echo("\n".join(format_table(heads, [row[: len(heads)] for row in rows])))
    return 0


@runs.command()
@click.argument("run_id")
@_runs_dir_option
@click.option(
    "--verify", is_flag=True, help="Also compare every file with the SHA-256 that was noted; exit 7 if it differs."
)
@json_option
@debug_option
def show(run_id: str, runs_dir: Path, verify: bool, as_json: bool) -> int:
    """Show one run: status, statistics, digests, and what is missing or was changed.

    The beginning of its name is enough where no other run begins so.
    """
    run = load_run(_find_folder(runs_dir, run_id, may_shorten=True), verify=verify)
    code = _EXIT_MISMATCH if verify and run.problems else 0
    if as_json:
        described = {"run_id": run.run_id, "status": run.status, "problems": run.problems}
        click.echo(json.dumps({**described, "run": run.facts, "statistics": run.statistics}))
        return code
    click.echo(f"run {run.run_id}: {run.status}")
    if run.facts.get("error"):
        click.echo(f"error: {run.facts['error']}")
    for name, value in _flatten(_whole_statistics(run)):
        click.echo(f"  {name:<24} {_show(value)}")
    for name, digest in run.facts.get("digests", {}).items():
        click.echo(f"digest: {name} {digest}")
    for problem in run.problems:
        click.echo(f"problem: {problem}", err=True)
    click.echo(f"run folder: {run.path}")
    return code


@runs.command()
@click.argument("run_ids", nargs=-1, required=True)
@_runs_dir_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@debug_option
def rm(run_ids: tuple[str, ...], runs_dir: Path, yes: bool) -> int:
    """Remove run folders, after asking. All are looked up before the first is removed."""
    folders = [_find_folder(runs_dir, run_id) for run_id in dict.fromkeys(run_ids)]
    if not yes:
        listed = ", ".join(folder.name for folder in folders)
        click.confirm(f"remove {listed} from {runs_dir} for good?", abort=True, err=True)
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise RunFolderError(f"{folder} cannot be removed: {error.strerror}; remove it by hand") from error
        click.echo(f"removed {folder}")
    return 0


def _find_folder(runs_dir: Path, run_id: str, *, may_shorten: bool = False) -> Path:
    """The folder of a run: a direct child of runs_dir that holds a run.json.

    may_shorten: the beginning of a name that only one run has will do. Raises: UsageError for a name that no run has.
    """
    names = [run.path.name for run in list_runs(runs_dir)]
    begun = [name for name in names if name.startswith(run_id)]
    if run_id not in names and not (may_shorten and len(begun) == 1):
        nearest = find_nearest(run_id, names)
        listed = ", ".join(begun[:5])
        hint = f"it begins several: {listed}" if len(begun) > 1 and may_shorten else "`tradecore runs list` shows them"
        hint = f'did you mean "{nearest}"?' if nearest and not begun else hint
        raise click.UsageError(f"there is no run {run_id!r} in {runs_dir}; {hint}")
    folder = runs_dir / (run_id if run_id in names else begun[0])
    if not (folder / RUN_FILE).is_file():
        raise click.UsageError(f"{folder} holds no {RUN_FILE}, so there is no run in it; it was left alone")
    return folder


def _whole_statistics(run: LoadedRun) -> dict[str, Any]:
    """Statistics of all strategies together."""
    statistics = run.statistics or {}
    together = statistics.get("all", statistics)
    return together if isinstance(together, dict) else {}


def _summarise(run: LoadedRun) -> dict[str, Any]:
    statistics = _whole_statistics(run)
    return {
        "run_id": run.path.name,
        "status": run.status,
        "trades": statistics.get("trades"),
        "net_profit": statistics.get("net_profit"),
        "total_return": statistics.get("total_return"),
        "max_drawdown_fraction": statistics.get("max_drawdown_fraction"),
        "problems": run.problems,
    }


def _flatten(statistics: dict[str, Any]) -> list[tuple[str, Any]]:
    """The plain values; splits and curves are in statistics.json."""
    return [(name, value) for name, value in statistics.items() if not isinstance(value, dict | list)]


def _show(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.4f}" if isinstance(value, float) else str(value)


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Numbers in names by their value, so that run-2 comes before run-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
