"""`tradecore verify RUN`: whether what a run left keeps the laws of trading, or comes out the same when repeated.

Receives: a run folder, or the name of one in the folder of runs.
Gives:    a table of laws on stdout, findings with file, line and law; with --parity, what differs between a live run
          and its replay; exit 0, 7 when a law is broken or something differs, 2 when there is no such run, 4 when the
          folder is none of a run, or of one that was not recorded.
Never:    calls a law kept that the run has not met.    RELIABILITY 3; DESIGN 10, 13.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from msgspec import to_builtins

from tradecore.cli.options import debug_option, json_option, quiet_option
from tradecore.cli.progress_line import ProgressLine
from tradecore.cli.result_text import format_table
from tradecore.runtime.nearest_name import find_nearest
from tradecore.runtime.run_config import RUNS_DIR_DEFAULT

if TYPE_CHECKING:
    from tradecore.verification.run_verification import Verification

EXIT_MISMATCH: Final = 7


@click.command()
@click.argument("run")
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=RUNS_DIR_DEFAULT,
    show_default=True,
    help="Folder of run folders, where RUN is a name.",
)
@click.option(
    "--parity",
    is_flag=True,
    help="Repeat a recorded live run from its recording, and compare callbacks, orders and executions.",
)
@json_option
@quiet_option
@debug_option
def verify(run: str, runs_dir: Path, parity: bool, as_json: bool, quiet: bool) -> int:
    """Check the laws of trading on what RUN left: states, sums, cash, latency, limits, statistics, digests.

    RUN is a folder, or a name in --runs-dir; the beginning of a name is enough where no other run begins so. Only the
    files of the run are read, by code that shares nothing with the engine.
    """
    from tradecore.verification.run_verification import verify_run

    folder = _find_folder(run, runs_dir)
    if parity:
        return _check_parity(folder, as_json=as_json)
    with ProgressLine(quiet=quiet) as line:
        verification = verify_run(folder, tell_read=partial(line.show_rows, "reading"))
    code = 0 if verification.is_sound else EXIT_MISMATCH
    if as_json:
        click.echo(json.dumps({**verification.to_dict(), "exit_code": code}))
        return code
    click.echo("\n".join(format_verification(verification)))
    for finding in verification.findings:
        click.echo(f"broken: {folder / finding.place}: {finding.law}: {finding.message}", err=True)
    if code:
        click.echo(
            "next: look at these lines; if nobody edited the folder, run again and report what is found", err=True
        )
    return code


def _check_parity(folder: Path, *, as_json: bool) -> int:
    from tradecore.cli.stores import run_async
    from tradecore.cli.strategy_imports import allow_imports_beside
    from tradecore.runtime.check_parity import check_parity, find_config_folder

    allow_imports_beside((find_config_folder(folder) or folder) / "config")
    parity = run_async(lambda: check_parity(folder))
    code = 0 if parity.is_same else EXIT_MISMATCH
    if as_json:
        click.echo(json.dumps({"is_same": parity.is_same, **to_builtins(parity), "exit_code": code}))
        return code
    for name, count in parity.same.items():
        click.echo(f"{name}: {count:,} the same")
    for note in parity.notes:
        click.echo(f"note: {note}")
    for difference in parity.differences:
        click.echo(f"differs: {difference}", err=True)
    if code:
        click.echo(
            "next: a strategy that reads a clock, draws at random or has changed since gives other callbacks; if yours "
            "does none of that, report what is found",
            err=True,
        )
    return code


def format_verification(verification: Verification) -> list[str]:
    """The table of laws, and what it does not say."""
    from tradecore.verification.law_book import UNTOLD

    met = [row for row in verification.rows if row.checked or row.broken]
    counts = [(row.law, f"{row.checked:,}", f"{row.broken:,}" if row.broken else "-") for row in met]
    sentences = ["", *(row.sentence for row in met)]
    lines = [f"run {verification.run_id}: {verification.status}"]
    if verification.status != "complete":
        lines.append("this run is PARTIAL: it is verified as far as it goes")
    lines.append("")
    table = format_table(("law", "checked", "broken"), counts)
    lines += [f"{line}  {sentence}".rstrip() for line, sentence in zip(table, sentences, strict=True)]
    lines.append("")
    lines += [f"not met in this run: {row.law}: {row.sentence}" for row in verification.rows if row not in met]
    lines += [f"left out: {law}, {count:,} times: {reason}" for law, reason, count in verification.left_out]
    lines += [f"not told by a run's files: {what}: {why}" for what, why in UNTOLD]
    result = f"{verification.broken_count:,} BROKEN" if verification.broken_count else "all kept"
    return [*lines, "", f"{verification.check_count:,} checks of {len(met)} laws: {result}"]


def _find_folder(run: str, runs_dir: Path) -> Path:
    """The folder that RUN names. Raises: UsageError."""
    if Path(run).is_dir():
        return Path(run)
    names = sorted(entry.name for entry in runs_dir.iterdir() if entry.is_dir()) if runs_dir.is_dir() else []
    begun = [name for name in names if name == run] or [name for name in names if name.startswith(run)]
    if len(begun) == 1:
        return runs_dir / begun[0]
    nearest = find_nearest(run, names)
    hint = f"it begins several: {', '.join(begun[:5])}" if begun else "`tradecore runs list` shows what there is"
    hint = f'did you mean "{nearest}"?' if nearest and not begun else hint
    raise click.UsageError(f"{run!r} is no folder, and there is no such run in {runs_dir}; {hint}")
