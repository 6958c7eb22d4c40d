"""`tradecore check CONFIG`: everything that can be known to be wrong before a run.

Receives: a configuration and overrides.
Gives:    every mistake of the configuration (exit 3), then what the store has of the series it names (exit 4 when
          something is missing altogether).
Never:    makes a store, runs a strategy, or writes anything.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tradecore.cli.options import debug_option, json_option, list_overrides, period_options, set_option
from tradecore.cli.stores import run_async
from tradecore.cli.strategy_imports import allow_imports_beside
from tradecore.domain.instant import format_ns
from tradecore.runtime.config import load_config
from tradecore.runtime.data_coverage import Coverage, find_coverage
from tradecore.runtime.run_config import RunConfig
from tradecore.storage.open_storage import open_storage, parse_storage_url

EXIT_DATA = 4


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@set_option
@period_options
@json_option
@debug_option
def check(config: Path, overrides: tuple[str, ...], start_ns: int | None, end_ns: int | None, as_json: bool) -> int:
    """Say what is wrong with CONFIG, and whether its data is there, without running it."""
    allow_imports_beside(config)
    loaded = load_config(config, list_overrides(overrides, start_ns, end_ns, None))
    coverages = run_async(lambda: _find_coverage(loaded))
    is_live = loaded.run.mode == "live"
    # What the store of a live run lacks is asked of the venue, in phase B.
    lacks = ("nowhere",) if is_live else ("missing",)
    missing = [coverage for coverage in coverages if coverage.verdict in lacks]
    code = EXIT_DATA if missing else 0
    if as_json:
        described = [_describe(coverage) for coverage in coverages]
        status = "data_missing" if missing else "ok"
        click.echo(json.dumps({"status": status, "exit_code": code, "config": loaded.to_dict(), "data": described}))
        return code
    click.echo(f"{config}: no mistakes")
    for coverage in coverages:
        click.echo(_format(coverage))
    if missing and is_live:
        known = ", ".join(f"[venues.{name}]" for name in loaded.venues)
        click.echo(f"next: correct the instrument, or add a venue beside {known}", err=True)
    elif missing:
        url = loaded.storage.url
        click.echo(f"next: tradecore data import FILE --config {config}, or correct [storage] url ({url})", err=True)
    else:
        if is_live:
            click.echo("  what the store lacks is asked of the venue when the run begins")
        click.echo(f"next: tradecore run {config}", err=True)
    return code


async def _find_coverage(config: RunConfig) -> list[Coverage]:
    address = parse_storage_url(config.storage.url, relative_to=config.folder)
    if address.path is None or not address.path.exists():
        return await find_coverage(config, None)
    async with open_storage(config.storage.url, relative_to=config.folder) as storage:
        return await find_coverage(config, storage)


def _format(coverage: Coverage) -> str:
    rows = sum(info.rows for info in coverage.found)
    text = f"  {coverage.verdict:<8} {coverage.wanted} ({coverage.strategy})"
    if coverage.found:
        text += f": {rows:,} rows"
    return f"{text}; {coverage.note}" if coverage.note else text


def _describe(coverage: Coverage) -> dict[str, Any]:
    return {
        "strategy": coverage.strategy,
        "wanted": coverage.wanted,
        "verdict": coverage.verdict,
        "note": coverage.note,
        "series": [
            {
                "series": str(info.series),
                "rows": info.rows,
                "first": format_ns(info.first_ns),
                "last": format_ns(info.last_ns),
            }
            for info in coverage.found
        ],
    }
