"""`tradecore data ...`: market data into, out of, and in a store."""

from __future__ import annotations

import click

from tradecore.cli.lazy_group import LazyCommand, LazyGroup

_COMMANDS = {
    "import": LazyCommand("tradecore.cli.command_data_import:import_", "Import a file or a folder of files."),
    "export": LazyCommand("tradecore.cli.command_data_export:export", "Write a series as CSV, CSV.gz or Parquet."),
    "list": LazyCommand("tradecore.cli.command_data_show:list_", "List the series of a store."),
    "info": LazyCommand(
        "tradecore.cli.command_data_show:info", "Show what is known of one series, and its first rows."
    ),
    "verify": LazyCommand("tradecore.cli.command_data_show:verify", "Look for gaps, duplicates and disorder."),
    "record": LazyCommand("tradecore.cli.command_data_record:record", "Record live streams as they come."),
    "generate": LazyCommand("tradecore.cli.command_data_generate:generate", "Make synthetic bars, quotes or trades."),
}


@click.group(cls=LazyGroup, lazy_commands=_COMMANDS)
def data() -> None:
    """Import, export, list, verify, record and generate market data.

    The store is --storage URL ("sqlite:PATH", "parquet:FOLDER"), or that of --config FILE.
    """
