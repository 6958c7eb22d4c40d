"""The command line: one group, exit codes, and errors that end with what to type next.

Receives: arguments.
Gives:    results on stdout (one JSON object with --json), everything else on stderr; the exit codes of DESIGN 13.
Never:    shows a traceback for a mistake that tradecore knows; imports a command before it is called.

Exit codes: 0 ok, 1 run failed, 2 usage, 3 configuration, 4 data, 5 venue, 6 risk limit, 7 parity or verification
mismatch, 8 run locked, 130 and 143 interrupted by SIGINT and SIGTERM after a clean stop.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from tradecore import __version__
from tradecore.cli.lazy_group import LazyCommand, LazyGroup
from tradecore.errors import TradecoreError

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_SIGINT: Final = 130

_COMMANDS: Final = {
    "run": LazyCommand("tradecore.cli.command_run:run", "Run a configuration and print what came of it."),
    "check": LazyCommand(
        "tradecore.cli.command_check:check", "Say what is wrong with a configuration, without running."
    ),
    "init": LazyCommand(
        "tradecore.cli.command_init:init", "Write a strategy, its configuration and its test to start from."
    ),
    "data": LazyCommand("tradecore.cli.command_data:data", "Import, export, list, verify and generate market data."),
    "runs": LazyCommand("tradecore.cli.command_runs:runs", "List, show and remove the folders that runs left."),
    "verify": LazyCommand(
        "tradecore.cli.command_verify:verify", "Check the laws of trading on what a run left; exit 7 if one is broken."
    ),
    "venue": LazyCommand(
        "tradecore.cli.command_venue:venue", "Serve Binance and Kraken on this machine, with faults on demand."
    ),
    "completion": LazyCommand("tradecore.cli.command_completion:completion", "Print the completion script of a shell."),
}


class _TopGroup(LazyGroup):
    """Turns every way a command can end into an exit code and, where something is wrong, a message."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = "tradecore", **settings: Any
    ) -> None:
        """Run and leave with SystemExit, whatever happens."""
        given = list(sys.argv[1:] if args is None else args)
        settings["standalone_mode"] = False
        try:
            code = super().main(given, prog_name, **settings)
        except click.ClickException as error:
            _show_usage_error(error)
            code = error.exit_code
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            code = EXIT_SIGINT
        except BrokenPipeError:
            _close_stdout()
            code = EXIT_FAILED
        except Exception as error:  # the last place: what is no TradecoreError is a mistake of ours, and is shown whole
            from tradecore.cli.diagnostics import find_origin, show_error

            origin = find_origin(error)
            show_error(origin, as_json="--json" in given, debug="--debug" in given)
            code = origin.exit_code if isinstance(origin, TradecoreError) else EXIT_FAILED
        sys.exit(code if isinstance(code, int) else 0)


def _show_usage_error(error: click.ClickException) -> None:
    error.show()
    if not isinstance(error, click.UsageError) or error.ctx is None:
        click.echo("Try 'tradecore --help'.", err=True)


def _close_stdout() -> None:
    """Whoever read our output has gone: close it here, so that Python does not complain about it at exit."""
    try:
        sys.stdout.close()
    except BrokenPipeError:
        return


@click.group(
    "tradecore",
    cls=_TopGroup,
    lazy_commands=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First steps: tradecore init my-strategy; cd my-strategy; tradecore run config.toml",
)
@click.version_option(__version__, prog_name="tradecore")
@click.option("--debug", is_flag=True, expose_value=False, help="Show every frame of a traceback.")
def cli() -> None:
    """tradecore: an asyncio-native trading runtime. One engine for backtest, warm-up and live trading."""
