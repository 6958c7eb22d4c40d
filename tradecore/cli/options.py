"""Options that several commands share, each with one meaning everywhere.

Receives: what click parsed.
Gives:    decorators, and the readers of dates and overrides behind them.
Never:    guesses a time zone: a date is UTC, and the help says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from tradecore.domain.instant import format_ns, parse_ns
from tradecore.errors import InvalidTime

F = TypeVar("F", bound=Callable[..., Any])


class FiniteNumber(click.FloatRange):
    """A number that can be computed with: a range alone lets NaN pass, and infinity where it is open above."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, if it is finite and in the range; click.BadParameter otherwise."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no number that can be computed with; expected one such as 60", param, ctx)
        return number


_DATE_LENGTH: Final = len("2000-03-01")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress; results and errors only.")
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show every frame of a traceback.")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting, such as run.seed=8 or strategies[0].params.fast=5. May be repeated.",
)
runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of run folders.  [default: as configured, else runs]",
)

log_level_option = click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error", "off"]),
    help="Log to stderr, from this level on.  [default: as configured, else off]",
)


def read_instant(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int | None:
    """Int nanoseconds of "2005-01-31" (midnight UTC) or "2005-01-31T09:30:00Z"."""
    if text is None:
        return None
    try:
        return parse_ns(f"{text}T00:00:00Z" if len(text) == _DATE_LENGTH else text)
    except InvalidTime as error:
        raise click.BadParameter(f"{error}; or write a date such as 2005-01-31, which is midnight UTC") from error


def period_options(function: F) -> F:
    """--from and --to, as int nanoseconds `start_ns` and `end_ns`, None where they are not given."""
    start = click.option(
        "--from", "start_ns", callback=read_instant, metavar="TIME", help="Start: a date (UTC) or time."
    )
    end = click.option(
        "--to", "end_ns", callback=read_instant, metavar="TIME", help="End, included; a date is 00:00 UTC."
    )
    return start(end(function))


def list_overrides(overrides: tuple[str, ...], start_ns: int | None, end_ns: int | None, seed: int | None) -> list[str]:
    """All overrides as --set would have them; the options of their own come last and win."""
    listed = list(overrides)
    if start_ns is not None:
        listed.append(f"run.start={format_ns(start_ns)}")
    if end_ns is not None:
        listed.append(f"run.end={format_ns(end_ns)}")
    if seed is not None:
        listed.append(f"run.seed={seed}")
    return listed
