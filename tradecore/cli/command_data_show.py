"""`tradecore data list`, `info` and `verify`: what a store has, and whether it can be trusted."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click

from tradecore.cli.event_text import format_event
from tradecore.cli.options import debug_option, json_option, quiet_option
from tradecore.cli.result_text import format_table
from tradecore.cli.stores import (
    SERIES_HELP,
    ChosenStore,
    choose_store,
    find_series,
    open_store,
    run_async,
    store_options,
)
from tradecore.domain.instant import format_ns
from tradecore.domain.instrument import Instrument
from tradecore.storage.market_data_storage import MarketEvent, SeriesInfo, Span, VerifyReport

EXIT_MISMATCH = 7
ROWS_SHOWN = 3
GAPS_SHOWN = 5


@click.command("list")
@store_options
@json_option
@debug_option
def list_(storage: str | None, config: Path | None, as_json: bool) -> int:
    """List the series of a store: rows, first and last time."""
    chosen = choose_store(storage, config)

    async def load() -> list[SeriesInfo]:
        async with open_store(chosen) as store:
            return await store.list_series()

    infos = run_async(load)
    if as_json:
        click.echo(json.dumps({"store": chosen.url, "series": [_describe_info(info) for info in infos]}))
        return 0
    if not infos:
        click.echo("the store has no series", err=True)
        click.echo(f"next: tradecore data import FILE {chosen.option}", err=True)
        return 0
    rows = [(str(info.series), f"{info.rows:,}", format_ns(info.first_ns), format_ns(info.last_ns)) for info in infos]
    click.echo("\n".join(format_table(("series", "rows", "first", "last"), rows)))
    return 0


@click.command(help=f"Show what is known of SERIES. {SERIES_HELP}")
@click.argument("series")
@store_options
@json_option
@debug_option
def info(series: str, storage: str | None, config: Path | None, as_json: bool) -> int:
    """Show one series: rows, times, spans, its instrument, its first rows."""
    chosen = choose_store(storage, config)
    found, spans, instrument, first_rows = run_async(lambda: _load_info(chosen, series))
    if as_json:
        described = _describe_info(found)
        described["spans"] = [[format_ns(span.start_ns), format_ns(span.end_ns)] for span in spans]
        described["instrument"] = None if instrument is None else _describe_instrument(instrument)
        click.echo(json.dumps(described))
        return 0
    click.echo(f"{found.series}: {found.rows:,} rows, {format_ns(found.first_ns)} to {format_ns(found.last_ns)}")
    for span in spans[:GAPS_SHOWN]:
        click.echo(f"  covered  {format_ns(span.start_ns)} to {format_ns(span.end_ns)}")
    if len(spans) > GAPS_SHOWN:
        click.echo(f"  covered  ... and {len(spans) - GAPS_SHOWN} more stretches")
    if instrument is None:
        click.echo(f"  instrument {found.series.instrument} is not defined here; a configuration's [[instruments]] may")
    else:
        for name, value in _describe_instrument(instrument).items():
            click.echo(f"  {name}  {value}")
    for event in first_rows:
        click.echo(f"  {format_event(event)}")
    return 0


@click.command(help=f"Verify SERIES, or every series of the store. {SERIES_HELP}")
@click.argument("series", required=False)
@store_options
@json_option
@quiet_option
@debug_option
def verify(series: str | None, storage: str | None, config: Path | None, as_json: bool, quiet: bool) -> int:
    """Read series whole and say what is wrong with them; exit 7 when rows cannot be trusted. Gaps are no fault."""
    chosen = choose_store(storage, config)
    reports = run_async(lambda: _verify(chosen, series, quiet=quiet))
    is_sound = all(report.is_sound for report in reports)
    if as_json:
        click.echo(json.dumps({"is_sound": is_sound, "series": [_describe_report(report) for report in reports]}))
    else:
        for report in reports:
            click.echo("\n".join(_format_report(report)))
    if not is_sound:
        click.echo("next: export what is right with --from and --to, and import the rest again", err=True)
    return 0 if is_sound else EXIT_MISMATCH


async def _load_info(
    chosen: ChosenStore, words: str
) -> tuple[SeriesInfo, list[Span], Instrument | None, list[MarketEvent]]:
    async with open_store(chosen) as store:
        found = await find_series(store, words)
        spans = await store.covered_spans(found.series)
        defined = {instrument.id: instrument for instrument in await store.list_instruments()}
        first_rows: list[MarketEvent] = []
        async with aclosing(store.read(found.series, batch_size=ROWS_SHOWN)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                first_rows = batch
                break
        return found, spans, defined.get(found.series.instrument), first_rows


async def _verify(chosen: ChosenStore, words: str | None, *, quiet: bool) -> list[VerifyReport]:
    async with open_store(chosen) as store:
        infos = await store.list_series() if words is None else [await find_series(store, words)]
        reports = []
        for number, found in enumerate(infos, 1):
            if not quiet and len(infos) > 1:
                click.echo(f"{number}/{len(infos)} {found.series}", err=True)
            reports.append(await store.verify(found.series))
        return reports


def _describe_info(found: SeriesInfo) -> dict[str, Any]:
    return {
        "kind": found.series.kind,
        "name": found.series.name,
        "rows": found.rows,
        "first": format_ns(found.first_ns),
        "last": format_ns(found.last_ns),
    }


def _describe_instrument(instrument: Instrument) -> dict[str, str]:
    names = instrument.__struct_fields__
    return {name: str(getattr(instrument, name)) for name in names if getattr(instrument, name) is not None}


def _describe_report(report: VerifyReport) -> dict[str, Any]:
    return {
        "kind": report.series.kind,
        "name": report.series.name,
        "is_sound": report.is_sound,
        "rows": report.rows,
        "gap_count": report.gap_count,
        "gaps": [
            {"after": format_ns(gap.after_ns), "before": format_ns(gap.before_ns), "missing": gap.missing}
            for gap in report.gaps
        ],
        "duplicates": report.duplicates,
        "disorder": report.disorder,
        "invalid": list(report.invalid),
    }


def _format_report(report: VerifyReport) -> list[str]:
    verdict = "sound" if report.is_sound else "NOT SOUND"
    lines = [
        f"{report.series}: {verdict}; {report.rows:,} rows",
        f"  {report.gap_count:,} gaps, {report.duplicates:,} duplicates, {report.disorder:,} out of order",
        f"  {len(report.invalid):,} rows that no market can have",
    ]
    largest = sorted(report.gaps, key=lambda gap: (-gap.missing, gap.after_ns))
    lines += [
        f"  gap of {gap.missing:,} bars: {format_ns(gap.after_ns)} to {format_ns(gap.before_ns)}"
        for gap in largest[:GAPS_SHOWN]
    ]
    if report.gap_count > GAPS_SHOWN:
        lines.append(f"  ... and {report.gap_count - min(GAPS_SHOWN, len(largest)):,} smaller gaps; --json lists them")
    lines += [f"  invalid: {text}" for text in report.invalid[:GAPS_SHOWN]]
    return lines
