"""`tradecore data generate`: synthetic bars, quotes or trades within the ranges of real or made-up days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from tradecore.cli.options import debug_option, json_option, quiet_option
from tradecore.cli.progress_line import ProgressLine
from tradecore.cli.stores import ChosenStore, choose_store, find_series, open_store, run_async, store_options
from tradecore.domain.instant import format_ns

if TYPE_CHECKING:
    from tradecore.storage.market_data_storage import MarketDataStorage
    from tradecore.storage.synthetic import SyntheticReport, SyntheticSettings
    from tradecore.storage.synthetic_path import DayRange

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_KINDS = {"bars": "bar", "quotes": "quote_tick", "trades": "trade_tick"}


@click.command()
@click.argument("kind", type=click.Choice(list(_KINDS)))
@click.option("--symbol", required=True, help="The instrument is SYMBOL.SYNTH.")
@click.option("--within", help='Keep to the days of a stored daily series, such as "IBM.NYSE 1d last".')
@click.option("--first-day", type=_DAY, help="First day that is made, or used of --within.")
@click.option("--days", type=click.IntRange(min=1), help="How many days.  [default: 20, or all of --within]")
@click.option(
    "--per-day", type=click.IntRange(min=4), default=10_000, show_default=True, help="Quotes or trades a day."
)
@click.option("--step", default="1m", show_default=True, help="Step of bars.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same events.")
@click.option("--price-increment", default="0.01", show_default=True, help="Grid of the prices.")
@store_options
@json_option
@quiet_option
@debug_option
def generate(
    kind: str,
    symbol: str,
    within: str | None,
    first_day: datetime | None,
    days: int | None,
    per_day: int,
    step: str,
    seed: int,
    price_increment: str,
    storage: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Make synthetic bars, quotes or trades of SYMBOL.SYNTH, into a store.

    They are made up from a seed and labelled so; with --within each day has the range of a real one.
    """
    from tradecore.storage.synthetic import SyntheticSettings

    settings = SyntheticSettings(
        kind=_KINDS[kind],
        symbol=symbol,
        seed=seed,
        step=step,
        ticks_per_day=per_day,
        price_increment=_read_increment(price_increment),
    )
    settings.check()
    chosen = choose_store(storage, config)
    first = None if first_day is None else first_day.replace(tzinfo=UTC).date()
    report = run_async(lambda: _generate(chosen, settings, within, first, days, quiet=quiet))
    click.echo(msgspec.json.encode(report).decode() if as_json else _format_report(report))
    return 0


def _read_increment(text: str) -> Decimal:
    try:
        increment = Decimal(text)
    except ArithmeticError as error:
        raise click.BadParameter(f"{text!r} is not a number such as 0.01", param_hint="--price-increment") from error
    if not increment.is_finite() or increment <= 0:
        raise click.BadParameter(f"{text} is not above 0", param_hint="--price-increment")
    return increment


async def _generate(
    chosen: ChosenStore,
    settings: SyntheticSettings,
    within: str | None,
    first_day: date | None,
    count: int | None,
    *,
    quiet: bool,
) -> SyntheticReport:
    from tradecore.storage.synthetic import generate_into

    async with open_store(chosen, may_create=within is None) as store:
        days = await _choose_days(store, settings, within, first_day, count)
        with ProgressLine(quiet=quiet) as line:
            return await generate_into(
                store, settings, days, progress=lambda events, _at_ns: line.show_rows("making", events)
            )


async def _choose_days(
    store: MarketDataStorage, settings: SyntheticSettings, within: str | None, first_day: date | None, count: int | None
) -> Iterable[DayRange]:
    from tradecore.storage.synthetic import load_day_ranges, walk_days

    if within is None:
        return walk_days(settings, first_day or date(2024, 1, 2), count or 20)
    found = await find_series(store, within)
    ranges = await load_day_ranges(store, found.series, settings.session)
    chosen = [day for day in ranges if first_day is None or day.day >= first_day]
    return chosen if count is None else chosen[:count]


def _format_report(report: SyntheticReport) -> str:
    if report.first_ns is None or report.last_ns is None:
        return f"{report.series}: nothing was made; no days fit"
    return (
        f"{report.series}: {report.events:,} events of {report.days:,} days, {report.added:,} added, "
        f"{format_ns(report.first_ns)} to {format_ns(report.last_ns)}\n  {report.note}"
    )
