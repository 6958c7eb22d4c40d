"""`tradecore completion SHELL`: the script that makes a shell complete commands, options and file names."""

from __future__ import annotations

import click

_HOW = {
    "bash": 'add this line to ~/.bashrc:  eval "$(tradecore completion bash)"',
    "zsh": 'add this line to ~/.zshrc:  eval "$(tradecore completion zsh)"',
    "fish": "save it:  tradecore completion fish > ~/.config/fish/completions/tradecore.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(_HOW)))
def completion(shell: str) -> None:
    """Print the completion script of SHELL; how to install it is said on stderr."""
    from click.shell_completion import get_completion_class

    from tradecore.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "tradecore", "_TRADECORE_COMPLETE").source())
    click.echo(f"# {_HOW[shell]}", err=True)
