"""`tradecore data import PATH`: files into a store, or with --dry-run what would become of them.

Receives: a file or folder, and what the user says about it.
Gives:    the report of the import; nothing is half-imported when something is wrong (exit 4).
Never:    guesses a time zone or what a bar's stamp marks: what is missing is said, with what to type (exit 2).
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tradecore.cli.event_text import format_event
from tradecore.cli.options import debug_option, json_option, quiet_option
from tradecore.cli.progress_line import ProgressLine
from tradecore.cli.stores import ChosenStore, choose_store, open_store, run_async, store_options
from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import format_ns
from tradecore.domain.instrument import Instrument

if TYPE_CHECKING:
    from tradecore.storage.importing.import_report import FilePlan, ImportPlan, ImportProgress, ImportReport
    from tradecore.storage.importing.import_settings import ImportSettings

EXIT_USAGE = 2
EXIT_DATA = 4


def _read_columns(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str | int]:
    columns: dict[str, str | int] = {}
    for text in given:
        role, equals, name = text.partition("=")
        if not equals or not role or not name:
            raise click.BadParameter(f"{text!r} is not ROLE=COLUMN; write time=date, or time=1 for the first column")
        columns[role] = int(name) if name.isdigit() else name
    return columns


def _read_decimal(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation as error:
        raise click.BadParameter(f"{text!r} is not a number such as 0.01") from error


_ABOUT_THE_FILE = (
    click.option("--bar-type", help='Target series of bars, such as "GBPUSD.FX 1m bid".'),
    click.option("--instrument", help="Target instrument of ticks, such as BTCUSDT.BINANCE."),
    click.option("--kind", help="bar, trade_tick, quote_tick or depth.  [default: told by the columns]"),
    click.option("--timezone", help="Zone of times that name none: UTC, America/New_York ... Never guessed."),
    click.option("--stamp", help="What the time of a bar marks: start or end. Never guessed."),
    click.option("--time-form", help="iso, date, s, ms, us, ns, or a pattern such as %d.%m.%Y."),
    click.option(
        "--column",
        "columns",
        multiple=True,
        metavar="ROLE=NAME",
        callback=_read_columns,
        help="Which column is what: time=date, close=4 (counted from 1), volume=- for none. May be repeated.",
    ),
    click.option("--layout", help="csv, parquet, binance, day-ticks or binance-frames.  [default: told by the name]"),
    click.option("--header/--no-header", "has_header", default=None, help="Whether the first line names the columns."),
    click.option("--delimiter", help="Between columns."),
    click.option("--decimal", default=".", help="Decimal sign: . or ,"),
    click.option("--skip-rows", "rows_skipped", type=int, default=0, help="Lines to leave out at the top."),
    click.option("--session", help='Hours that end date-only rows: 24x7, fx, "09:30-16:00 America/New_York".'),
    click.option("--venue", default="BINANCE", help="Venue of Binance archives and frames."),
    click.option("--depth-levels", type=int, default=20, help="Frames: levels of a side of a stored book."),
    click.option("--by-exchange/--consolidated", default=None, help="Day ticks: a series for each exchange, or one."),
    click.option("--conditions", default="all", help="Day ticks: all trades or only regular ones."),
    click.option("--suspicious", default="keep", help="Day ticks: keep or drop rows that the source marks."),
    click.option("--sort", is_flag=True, help="Order the rows by time, in memory."),
    click.option("--drop-duplicates", is_flag=True, help="Leave out rows that repeat a bar or an id identically."),
)
_ABOUT_THE_INSTRUMENT = (
    click.option("--price-increment", callback=_read_decimal, help="Define the instrument: grid of its prices."),
    click.option("--quantity-increment", callback=_read_decimal, help="Define the instrument: grid of its quantities."),
    click.option("--currency", help="Define the instrument: what it is priced in."),
    click.option("--base-currency", help="Define the instrument: what a unit of it is, if that is a currency."),
)


def _with_options(function: Any) -> Any:
    for option in reversed((*_ABOUT_THE_FILE, *_ABOUT_THE_INSTRUMENT)):
        function = option(function)
    return function


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@store_options
@_with_options
@click.option(
    "--dry-run", is_flag=True, help="Show the mapping and the first rows as they would be stored; store none."
)
@json_option
@quiet_option
@debug_option
def import_(
    path: Path, storage: str | None, config: Path | None, dry_run: bool, as_json: bool, quiet: bool, **about: Any
) -> int:
    """Import the file or folder PATH into a store. Importing the same again adds nothing."""
    from tradecore.storage.importing.import_settings import ImportSettings

    chosen = choose_store(storage, config)
    increments = {name: about.pop(name) for name in ("price_increment", "quantity_increment")}
    currencies = {name: about.pop(name) for name in ("currency", "base_currency")}
    settings = ImportSettings(**about)
    settings.check()
    defined = _define_instrument(settings, increments, currencies)
    instruments = (*chosen.instruments, *([defined] if defined else []))
    if dry_run:
        return _show_plan(path, settings, instruments, as_json=as_json)
    report = run_async(lambda: _import(chosen, path, settings, instruments, quiet=quiet))
    click.echo(_to_json(report) if as_json else _format_report(report, chosen), nl=as_json)
    return 0


def _define_instrument(
    settings: ImportSettings, increments: dict[str, Decimal | None], currencies: dict[str, str | None]
) -> Instrument | None:
    """The instrument that the options define, None when they do not. All three of its musts go together."""
    given = [name for name, value in (*increments.items(), *currencies.items()) if value is not None]
    if not given:
        return None
    price, quantity, currency = increments["price_increment"], increments["quantity_increment"], currencies["currency"]
    if price is None or quantity is None or currency is None:
        raise click.UsageError(
            f"--{given[0].replace('_', '-')} defines the instrument, which needs --price-increment, "
            "--quantity-increment and --currency together"
        )
    name = BarType.parse(settings.bar_type).instrument if settings.bar_type else settings.instrument
    if name is None:
        raise click.UsageError("the increments define an instrument; name it with --instrument or --bar-type")
    return Instrument(
        id=name,
        price_increment=price,
        quantity_increment=quantity,
        currency=currency,
        base_currency=currencies["base_currency"],
        session=settings.session or "24x7",
    )


async def _import(
    chosen: ChosenStore, path: Path, settings: ImportSettings, instruments: tuple[Instrument, ...], *, quiet: bool
) -> ImportReport:
    from tradecore.runtime.frame_log_layout import open_log_readers
    from tradecore.storage.importing.import_data import import_data

    with ProgressLine(quiet=quiet) as line:

        def show(progress: ImportProgress) -> None:
            line.show_rows(progress.stage, progress.rows, round(progress.fraction * 1_000), 1_000)

        async with open_store(chosen, may_create=True) as store:
            return await import_data(
                store, path, settings, instruments=instruments, progress=show, open_files=open_log_readers
            )


# ------------------------------------------------------------------------------------------------------------- shown


def _show_plan(path: Path, settings: ImportSettings, instruments: tuple[Instrument, ...], *, as_json: bool) -> int:
    from tradecore.runtime.frame_log_layout import open_log_readers
    from tradecore.storage.importing.import_data import plan_import

    plan = plan_import(path, settings, instruments=instruments, open_files=open_log_readers)
    click.echo(_to_json(plan) if as_json else _format_plan(plan), nl=as_json)
    if not plan.is_ready:
        click.echo("next: add what is missing above, then run it again with --dry-run", err=True)
        return EXIT_USAGE
    if any(file.faults for file in plan.files):
        click.echo("next: correct the rows above, or the options that say how to read them", err=True)
        return EXIT_DATA
    click.echo("next: run it again without --dry-run", err=True)
    return 0


def _format_plan(plan: ImportPlan) -> str:
    return "\n".join(line for file in plan.files for line in [*_format_file_plan(file), ""])


def _format_file_plan(file: FilePlan) -> list[str]:
    lines = [
        f"{file.path}: {file.layout}",
        f"  series  {file.series or file.kind or '?'}",
        f"  time    {file.time}",
        *(f"  column  {use.position}: {use.name} -> {use.role}" for use in file.columns),
    ]
    if file.unused:
        lines.append(f"  unused  {', '.join(file.unused)}")
    lines += [f"  row     {' | '.join(row)}" for row in file.sample[:3]]
    lines += [f"  stored  {format_event(event)}" for event in file.events[:3]]
    lines += [f"  note    {note}" for note in file.notes]
    lines += [f"  wrong   {fault}" for fault in file.faults]
    lines += [f"  missing {missing}" for missing in file.missing]
    return lines


def _format_report(report: ImportReport, chosen: ChosenStore) -> str:
    files = f"{report.files} file{'s' if report.files != 1 else ''}"
    lines = [
        f"{report.path}: {files}, {report.rows:,} rows: {report.added:,} added, {report.known:,} known before"
        + (f", {sum(report.left_out.values()):,} left out" if report.left_out else "")
    ]
    lines += [f"  left out {count:,}: {reason}" for reason, count in report.left_out.items()]
    for entry in report.series:
        lines.append(
            f"  {entry.series}: {entry.rows:,} rows, {format_ns(entry.first_ns)} to {format_ns(entry.last_ns)}"
        )
        if entry.price_increment is not None:
            sizes = "" if entry.quantity_increment is None else f", quantity_increment = {entry.quantity_increment}"
            lines.append(f"    its rows fit price_increment = {entry.price_increment}{sizes}")
    lines += [f"  note: {note}" for note in report.notes]
    lines.append(f"store: {chosen.option.removeprefix('--storage ')}")
    return "\n".join(lines) + "\n"


def _to_json(value: object) -> str:
    """JSON of a report; what JSON has no type for is written as text."""
    return msgspec.json.encode(value, enc_hook=str, order="deterministic").decode()
