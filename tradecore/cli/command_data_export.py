"""`tradecore data export SERIES FILE`: a series, or a stretch of it, as a file that imports again bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from tradecore.cli.options import debug_option, json_option, period_options, quiet_option
from tradecore.cli.progress_line import ProgressLine
from tradecore.cli.stores import (
    SERIES_HELP,
    ChosenStore,
    choose_store,
    find_series,
    open_store,
    run_async,
    store_options,
)
from tradecore.domain.instant import MAX_NS, MIN_NS, format_ns

if TYPE_CHECKING:
    from tradecore.storage.exporting import ExportReport


@click.command(help=f"Write SERIES to FILE (.csv, .csv.gz or .parquet). SERIES: {SERIES_HELP}")
@click.argument("series")
@click.argument("file", type=click.Path(path_type=Path))
@store_options
@period_options
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@json_option
@quiet_option
@debug_option
def export(
    series: str,
    file: Path,
    storage: str | None,
    config: Path | None,
    start_ns: int | None,
    end_ns: int | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Write a series to a file."""
    chosen = choose_store(storage, config)
    period = (MIN_NS if start_ns is None else start_ns, MAX_NS if end_ns is None else end_ns)
    report = run_async(lambda: _export(chosen, series, file, period, overwrite=overwrite, quiet=quiet))
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    elif report.first_ns is None or report.last_ns is None:
        click.echo(f"{report.path}: no rows of {report.series} in this stretch of time")
    else:
        click.echo(f"{report.path}: {report.rows:,} rows, {format_ns(report.first_ns)} to {format_ns(report.last_ns)}")
    return 0


async def _export(
    chosen: ChosenStore, words: str, file: Path, period: tuple[int, int], *, overwrite: bool, quiet: bool
) -> ExportReport:
    from tradecore.storage.exporting import export_series

    async with open_store(chosen) as store:
        info = await find_series(store, words)
        first, last = max(period[0], info.first_ns), min(period[1], info.last_ns)
        with ProgressLine(quiet=quiet) as line:
            return await export_series(
                store,
                info.series,
                file,
                start_ns=period[0],
                end_ns=period[1],
                overwrite=overwrite,
                progress=lambda rows, at_ns: line.show_rows("exporting", rows, at_ns - first, last - first),
            )
