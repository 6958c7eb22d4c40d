"""`tradecore init DIR`: a strategy, its configuration and its test, which run as they are written.

Receives: a folder, a template.
Gives:    strategy.py, config.toml, README.md, test_strategy.py.
Never:    overwrites a file.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from tradecore.cli.options import debug_option

TEMPLATES: Final = {
    "sma": "a crossing of two averages, market orders, plain callbacks",
    "breakout": "a breakout with a stop order, async callbacks",
}


@click.command(
    help="Write a strategy, its configuration and its test into DIRECTORY.  [default: the current folder]\n\n"
    "Templates: " + "; ".join(f"{name} ({what})" for name, what in TEMPLATES.items()) + "."
)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--template", type=click.Choice(list(TEMPLATES)), default="sma", show_default=True)
@debug_option
def init(directory: Path, template: str) -> int:
    """Write the files of a template."""
    name = _make_name(directory.resolve().name)
    texts = {file: text.replace("@NAME@", name) for file, text in _load_template(template).items()}
    there = [file for file in texts if (directory / file).exists()]
    if there:
        raise click.UsageError(
            f"{directory} has {', '.join(there)} already, and nothing is overwritten; name another folder, "
            "for example: tradecore init my-strategy"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (directory / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{directory} cannot be written: {error.strerror}; name another folder") from error
    for file in texts:
        click.echo(directory / file)
    move = "" if directory.resolve() == Path.cwd() else f"cd {directory} && "
    click.echo(f"next: {move}tradecore run config.toml", err=True)
    return 0


def _load_template(template: str) -> dict[str, str]:
    """Texts of a template by the name of the file they become."""
    folder = files("tradecore.cli.templates").joinpath(template)
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".txt"): entry.read_text(encoding="utf-8") for entry in entries}


def _make_name(folder: str) -> str:
    """The folder's name as the name of a run may be."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", folder).strip("-._")[:80] or "my-strategy"
