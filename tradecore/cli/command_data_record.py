"""`tradecore data record`: live streams of a venue, as they come, into a folder and into a store.

Receives: what to record (--trades, --quotes, --depth, --bars), where to; a signal or --for ends it.
Gives:    a recording (arrivals, raw frames), which a backtest replays by receive times; the events in the store.
Never:    ends with less than it has: whatever stops it, what was received by then is written.    Issue 4, item 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from tradecore.cli.interruption import Interruption, run_interruptible
from tradecore.cli.options import FiniteNumber, debug_option, json_option, quiet_option
from tradecore.cli.progress_line import ProgressLine
from tradecore.cli.result_text import format_table
from tradecore.cli.stores import choose_store, open_store
from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import format_ns
from tradecore.domain.stream import Stream
from tradecore.errors import TradecoreError, VenueError
from tradecore.runtime.live_settings import URL_SCHEMES

if TYPE_CHECKING:
    from tradecore.runtime.record_streams import RecordReport
    from tradecore.venues.binance_venue import BinanceVenue
    from tradecore.venues.kraken_venue import KrakenVenue

RECORDINGS_DIR_DEFAULT: Final = "recordings"
VENUES: Final = ("BINANCE", "KRAKEN")


@click.command()
@click.option("--trades", multiple=True, metavar="ID", help="Trades of an instrument, such as BTCUSDT.BINANCE.")
@click.option("--quotes", multiple=True, metavar="ID", help="Its best bid and ask.")
@click.option("--depth", multiple=True, metavar="ID", help="Its book.")
@click.option("--bars", multiple=True, metavar="TYPE", help='Closed bars, such as "BTCUSDT.BINANCE 1m last".')
@click.option("--for", "seconds", type=FiniteNumber(min=0, min_open=True), metavar="SECONDS",
              help="How long.  [default: until Ctrl-C]")  # fmt: skip
@click.option("--storage", metavar="URL", help="Also fill this store, such as sqlite:data/market.db.")
@click.option(
    "--recordings-dir", type=click.Path(path_type=Path, file_okay=False), default=RECORDINGS_DIR_DEFAULT,
    show_default=True, help="Folder of recordings; each gets a folder of its own, named for venue and time.",
)  # fmt: skip
@click.option("--no-frames", is_flag=True, help="Leave out the raw frames.")
@click.option("--stream-url", metavar="URL", help="Where the venue's streams are.  [default: the venue itself]")
@click.option("--history-url", metavar="URL", help="Where it is asked about its past.  [default: the venue itself]")
@json_option
@quiet_option
@debug_option
def record(**options: Any) -> int:
    """Record live market data: events with their receive times, in order of arrival, and the raw frames.

    The venue is the last part of the ids: BINANCE or KRAKEN. Holes are filled from the venue's history where it has
    one. The folder can be replayed by a backtest ([data] recording), with the same callbacks as live.
    """
    streams = _read_streams(options)
    name = _choose_venue(streams)
    _check_urls(name, options)
    _, interruption = run_interruptible(lambda i: _record(options, streams, name, i))
    return interruption.exit_code or 0


async def _record(options: dict[str, Any], streams: list[Stream], name: str, interruption: Interruption) -> None:
    from contextlib import AsyncExitStack

    from tradecore.engine.timeline import SystemClock
    from tradecore.runtime.record_streams import record_streams
    from tradecore.runtime.recording import Recording

    clock = SystemClock()
    if options["seconds"] is not None:
        interruption.scope.deadline = _loop_time() + options["seconds"]
    async with AsyncExitStack() as stack:
        storage = None
        if options["storage"] is not None:
            storage = await stack.enter_async_context(
                open_store(choose_store(options["storage"], None), may_create=True)
            )
        folder = _name_folder(options["recordings_dir"], name, clock.wall_ns())
        recording = Recording(folder, clock, keeps_frames=not options["no_frames"])
        venue = _make_venue(name, clock, options["stream_url"], options["history_url"])
        with ProgressLine(quiet=options["quiet"]) as line:
            try:
                report = await record_streams(
                    venue, streams, recording, clock, storage=storage, scope=interruption.scope,
                    progress=lambda arrivals, newest: line.show_rows(f"recording {format_ns(newest)[:19]}", arrivals),
                )  # fmt: skip
            except TradecoreError as error:
                if recording.arrivals:
                    error.add_note(f"what was recorded is kept: {recording.arrivals:,} arrivals in {folder}")
                raise
    if not report.streams and interruption.signal is None:
        reason = venue.session.failure or "it has not answered yet"
        raise VenueError(
            f"{name} could not be subscribed to within {options['seconds']:g} s, so nothing was recorded: {reason}. "
            "Check its address and the network, or wait longer with --for"
        )
    click.echo(msgspec.json.encode(report).decode() if options["as_json"] else format_report(report))


def format_report(report: RecordReport) -> str:
    """A line per stream, and where it is."""
    rows = [
        (one.stream, one.verdict.proof.value, f"{one.counts.delivered:,}", one.verdict.reason) for one in report.streams
    ]
    lines = format_table(("stream", "state", "events", "why"), rows)
    if report.added or report.known or report.conflicts:
        conflicts = f", {report.conflicts:,} in conflict with it" if report.conflicts else ""
        lines.append(f"store: {report.added:,} events added, {report.known:,} known{conflicts}")
    lines += [f"note: {note}" for note in report.notes]
    lines.append(f"{report.arrivals:,} arrivals recorded in {report.folder}")
    return "\n".join(lines)


def _read_streams(options: dict[str, Any]) -> list[Stream]:
    streams = [Stream("trade_tick", text) for text in options["trades"]]
    streams += [Stream("quote_tick", text) for text in options["quotes"]]
    streams += [Stream("depth", text) for text in options["depth"]]
    streams += [Stream("bar", BarType.parse(text).name) for text in options["bars"]]
    if not streams:
        raise click.UsageError("nothing to record; name at least one of --trades, --quotes, --depth, --bars")
    return streams


def _choose_venue(streams: Sequence[Stream]) -> str:
    names = sorted({stream.instrument.rpartition(".")[2] for stream in streams})
    if len(names) > 1:
        raise click.UsageError(f"one recording is of one venue; these are of {', '.join(names)}: record them apart")
    if names[0] not in VENUES:
        raise click.UsageError(f"{names[0]!r} is no venue that can be recorded; expected {' or '.join(VENUES)}")
    return names[0]


def _check_urls(name: str, options: dict[str, Any]) -> None:
    """Raises: BadParameter for an address that begins with what its server does not speak."""
    words = {"stream_url": "stream_url", "history_url": "api_url" if name == "BINANCE" else "rest_url"}
    for option, word in words.items():
        url, schemes = options[option], URL_SCHEMES[word]
        if url is not None and not url.startswith(schemes):
            raise click.BadParameter(
                f"{url!r} cannot be an address of {name}; expected a url that begins with {' or '.join(schemes)}",
                param_hint=f"--{option.replace('_', '-')}",
            )


def _make_venue(name: str, clock: Any, stream_url: str | None, history_url: str | None) -> BinanceVenue | KrakenVenue:
    """The adapter, at the addresses given."""
    urls: dict[str, Any] = {} if stream_url is None else {"stream_url": stream_url}
    if name == "BINANCE":
        from tradecore.venues.binance_venue import BinanceVenue

        urls |= {} if history_url is None else {"api_url": history_url}
        return BinanceVenue(clock=clock, seed=0, **urls)
    from tradecore.venues.kraken_venue import KrakenVenue

    urls |= {} if history_url is None else {"rest_url": history_url}
    return KrakenVenue(clock=clock, seed=0, **urls)


def _name_folder(root: Path, venue: str, now_ns: int) -> Path:
    """A folder that is not there yet: two recordings may begin in one second."""
    stem = f"{venue.lower()}-{format_ns(now_ns)[:19].replace(':', '').replace('-', '')}"
    taken = {path.name for path in root.iterdir()} if root.is_dir() else set()
    number = 1
    while (name := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return root / name


def _loop_time() -> float:
    import anyio

    return anyio.current_time()
