"""`tradecore venue`: the local venue as a process, for strategies under test and for trying things.

Receives: a market (made up, recorded, stored), an address on loopback, a speed, faults.
Gives:    one line when it is ready, with its addresses; then it serves until it is stopped, and ends with a summary.
Never:    listens anywhere but on loopback: whoever reaches it may plan faults.    Issue 4, item 2; DESIGN 13.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import click

from tradecore.cli.interruption import Interruption, run_interruptible
from tradecore.cli.options import FiniteNumber, debug_option, json_option, read_instant

if TYPE_CHECKING:
    from tradecore.testing.local_venue.local_venue import LocalVenue
    from tradecore.testing.local_venue.market_source import MarketSource
    from tradecore.testing.local_venue.venue_play import VenueSettings

_SECOND_NS: Final = 1_000_000_000
_PORT_MAX: Final = 65_535


@click.command()
@click.option("--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Port 0: any free one.")
@click.option(
    "--venue", "dialect", type=click.Choice(["binance", "kraken", "both"]), default="both", show_default=True,
    help="Which protocol it speaks; both share the port.",
)  # fmt: skip
@click.option(
    "--market", default="synthetic", show_default=True, metavar="WHAT",
    help="synthetic, frames:FILE (a recorded frame log) or store:URL (stored series).",
)  # fmt: skip
@click.option("--speed", type=float, default=1.0, show_default=True, help="Seconds of its time in one of ours.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of a synthetic market, and of faults.")
@click.option(
    "--start", "start_ns", callback=read_instant, metavar="TIME",
    help="Where a synthetic market begins.  [default: now]",
)  # fmt: skip
@click.option(
    "--history", "history_s", type=FiniteNumber(min=0), metavar="SECONDS",
    help="How much of the market has already happened.  [default: 3600, or 0 of a recording]",
)  # fmt: skip
@click.option("--lead", "lead_s", type=FiniteNumber(min=0), default=0.0, metavar="SECONDS",
              help="How long it runs before a recording begins.  [default: 0]")  # fmt: skip
@click.option("--rate", type=FiniteNumber(min=0, min_open=True), default=10.0, show_default=True,
              help="Steps a second of each synthetic pair.")  # fmt: skip
@click.option("--instrument", "instruments", multiple=True, metavar="ID", help="Of a store; all, unless given.")
@click.option(
    "--fault", "faults", multiple=True, metavar="FAULT",
    help='What goes wrong, as in "drop at=30 every=60" or "mute at=10 for=5 topic=btcusdt@trade". May be repeated.',
)  # fmt: skip
@click.option("--stop-at-end", is_flag=True, help="Stop when a recording is over; else it idles on.")
@click.option("--with-parent", is_flag=True, hidden=True, help="Stop when stdin ends: whoever started it is gone.")
@json_option
@debug_option
def venue(**options: Any) -> int:
    """Serve Binance Spot and Kraken v2 on this machine: market data and history, no orders yet.

    It speaks what the real venues speak, WebSocket and HTTP on one port, with their limits, and does wrong what --fault
    or a POST to /tradecore/faults asks for. `clock = "venue"` in a configuration takes its time.
    """
    host, port = _read_address(options["listen"])
    settings = _make_settings(options)
    _, interruption = run_interruptible(lambda i: _serve(options, settings, host, port, i))
    return interruption.exit_code or 0


def _make_settings(options: dict[str, Any]) -> VenueSettings:
    from tradecore.errors import LocalVenueError
    from tradecore.testing.local_venue.fault import parse_fault
    from tradecore.testing.local_venue.venue_play import DIALECTS, VenueSettings

    try:
        settings = VenueSettings(
            speed=options["speed"],
            dialects=DIALECTS if options["dialect"] == "both" else (options["dialect"],),
            seed=options["seed"],
            lead_ns=int(options["lead_s"] * _SECOND_NS),
            faults=tuple(parse_fault(text) for text in options["faults"]),
            at_end="stop" if options["stop_at_end"] else "idle",
            keeps_truth=False,
        )
        settings.check()
    except LocalVenueError as error:
        raise click.UsageError(str(error)) from error
    return settings


async def _serve(
    options: dict[str, Any], settings: VenueSettings, host: str, port: int, interruption: Interruption
) -> None:
    from tradecore.testing.local_venue.local_venue import LocalVenue
    from tradecore.testing.local_venue.venue_server import open_venue_server

    with interruption.scope:
        async with _open_source(options) as source, _bind_to_parent(options["with_parent"], interruption):
            local_venue = LocalVenue(source, settings)
            if options["market"] == "synthetic" and options["start_ns"] is None:
                local_venue.clock.start()  # "now" is when it was asked for, not when its history was made
            await local_venue.play.prepare()
            async with open_venue_server(local_venue, host, port) as server:
                _say_ready(local_venue, server.port, server.urls, as_json=options["as_json"])
                try:
                    await local_venue.play.run()
                finally:
                    _say_end(local_venue, as_json=options["as_json"])


@asynccontextmanager
async def _bind_to_parent(is_bound: bool, interruption: Interruption) -> AsyncIterator[None]:
    """Stop when stdin ends, which it does when the process that holds its other end does, however that ended."""
    if not is_bound:
        yield
        return
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def wait_for_end() -> None:
        await reader.read()
        interruption.scope.cancel()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for_end)
            yield
            tasks.cancel_scope.cancel()
    finally:
        transport.close()


@asynccontextmanager
async def _open_source(options: dict[str, Any]) -> AsyncIterator[MarketSource]:
    kind, _, place = options["market"].partition(":")
    history_s: float | None = options["history_s"]
    if kind == "synthetic" and not place:
        yield _make_synthetic(options, 3_600.0 if history_s is None else history_s)
    elif kind == "frames" and place:
        from tradecore.testing.local_venue.frame_source import FrameSource

        yield FrameSource(Path(place), history_ns=int((history_s or 0.0) * _SECOND_NS))
    elif kind == "store" and place:
        from tradecore.cli.stores import choose_store, open_store
        from tradecore.testing.local_venue.store_source import open_store_source

        async with open_store(choose_store(place, None)) as storage:
            history_ns = int((history_s or 0.0) * _SECOND_NS)
            yield await open_store_source(storage, options["instruments"], history_ns=history_ns)
    else:
        raise click.UsageError(
            f"--market {options['market']!r} cannot be read; expected synthetic, frames:FILE or store:URL, "
            "for example store:sqlite:data/market.db"
        )


def _make_synthetic(options: dict[str, Any], history_s: float) -> MarketSource:
    from tradecore.engine.timeline import SystemClock
    from tradecore.testing.local_venue.synthetic_source import SyntheticSource

    start_ns: int | None = options["start_ns"]
    return SyntheticSource(
        SystemClock().wall_ns() if start_ns is None else start_ns,
        seed=options["seed"],
        steps_per_second=options["rate"],
        history_ns=int(history_s * _SECOND_NS),
    )


def _read_address(text: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:9443" or "[::1]:0"; loopback only."""
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not port.isdecimal() or int(port) > _PORT_MAX:
        raise click.BadParameter(f"{text!r} cannot be read; expected HOST:PORT such as 127.0.0.1:9443")
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise click.BadParameter(f"{host!r} is not on loopback; the local venue is for this machine: 127.0.0.1 or ::1")
    return host, int(port)


def _say_ready(local_venue: LocalVenue, port: int, urls: dict[str, str], *, as_json: bool) -> None:
    pairs = [pair.instrument for pair in local_venue.market.pairs.values()]
    if as_json:
        clock = local_venue.clock
        ready = {
            "status": "ready", "port": port, "urls": urls, "epoch_ns": clock.epoch_ns, "rate": clock.rate,
            "pairs": [{"binance": pair.symbol, "kraken": pair.kraken_symbol} for pair in pairs],
        }  # fmt: skip
        click.echo(json.dumps(ready))
    else:
        click.echo(f"ready: {', '.join(pair.kraken_symbol for pair in pairs)} at {local_venue.clock.rate:g}x")
        for name, url in urls.items():
            click.echo(f"  {name:15} {url}")


def _say_end(local_venue: LocalVenue, *, as_json: bool) -> None:
    summary = {
        "status": "stopped", "connections": local_venue.play.opened, "published": local_venue.market.published,
        "faults": local_venue.fault_counts,
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(summary))
    else:
        faults = ", ".join(f"{count} {kind}" for kind, count in local_venue.fault_counts.items()) or "none"
        counts = f"{summary['connections']} connections, {summary['published']} events with its history"
        click.echo(f"stopped: {counts}; faults: {faults}")
