"""LazyGroup: a command group that imports a command only when it is used.

Receives: for each command, where it is and one line of help.
Gives:    help and completion without importing any command; unknown commands with their nearest right name.
Never:    imports storage, rich or the engine for `--help`: those take longer than the help itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from tradecore.runtime.nearest_name import find_nearest


class LazyCommand(NamedTuple):
    """Where a command is ("package.module:attribute") and its one line of help."""

    place: str
    short_help: str


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def __init__(self, *args: Any, lazy_commands: Mapping[str, LazyCommand], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._lazy = dict(lazy_commands)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order they were given: what comes first is used first."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now."""
        lazy = self._lazy.get(cmd_name)
        if lazy is None:
            return None
        module, _, attribute = lazy.place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; else a usage error that names the nearest one."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self._lazy:
            nearest = find_nearest(name, self._lazy)
            hint = f"did you mean `{ctx.command_path} {nearest}`?" if nearest else f"they are: {', '.join(self._lazy)}"
            raise click.UsageError(f"there is no command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the lines of help given, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.short_help) for name, lazy in self._lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Names of commands with their lines of help, without importing one."""
        from click.shell_completion import CompletionItem

        named = [
            CompletionItem(name, help=lazy.short_help)
            for name, lazy in self._lazy.items()
            if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)
