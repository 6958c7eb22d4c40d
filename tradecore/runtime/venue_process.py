"""venue_process: the local venue as a process that a run starts for itself, and stops again.

Receives: a [venues.NAME] local table.
Gives:    the addresses and the clock of a `tradecore venue` that is ready.
Never:    leaves the process behind, not even when this one is killed: it ends with its stdin. Never lets a Ctrl-C that
          is meant for the run end it first.    Issue 4, items 2 and 7.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tradecore.domain.duration import parse_duration
from tradecore.domain.instant import SECOND_NS
from tradecore.errors import VenueProcessFailed
from tradecore.runtime.live_settings import LocalVenueSettings

READY_S: Final = 60.0
"""How long it may take to make its market up or to read its recording."""

LOOK_S: Final = 0.1
"""How long a wish to stop may go unnoticed while it does."""

STOP_S: Final = 3.0
_PACKAGE_FOLDER: Final = str(Path(__file__).parents[2])


class VenueProcess(msgspec.Struct, frozen=True):
    """A venue that serves. urls: by use (binance_stream, kraken ...). rate: seconds of its time in one of ours."""

    urls: dict[str, str]
    rate: float


@asynccontextmanager
async def open_venue_process(
    name: str, dialect: str, settings: LocalVenueSettings, scope: anyio.CancelScope
) -> AsyncIterator[VenueProcess | None]:
    """A running `tradecore venue` until the end of the block; None when scope was cancelled before it was ready.

    Raises: VenueProcessFailed.
    """
    command = _make_command(dialect, settings)
    found = [_PACKAGE_FOLDER, os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in found if path)}
    with tempfile.TemporaryFile() as errors:  # a file, so that the venue never waits for a reader
        # A session of its own: the terminal's Ctrl-C is for the run, which then stops the venue.
        process = await anyio.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment,
            start_new_session=True,
        )  # fmt: skip
        try:
            ready = await _read_ready(process, scope)
            if ready is None:
                yield None
                return
            if ready.get("status") != "ready":
                await _stop(process)
                errors.seek(0)
                raise VenueProcessFailed(name, command, errors.read().decode("utf-8", "replace"))
            yield VenueProcess(urls=ready["urls"], rate=float(ready["rate"]))
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)


def _make_command(dialect: str, settings: LocalVenueSettings) -> list[str]:
    options = {
        "--venue": dialect,
        "--market": settings.market,
        "--speed": str(settings.speed),
        "--seed": str(settings.seed),
        "--rate": str(settings.rate),
        "--history": str(parse_duration(settings.history) / SECOND_NS),
        "--lead": str(parse_duration(settings.lead) / SECOND_NS),
    }
    command = [sys.executable, "-m", "tradecore", "venue", "--json", "--with-parent"]
    for option, value in options.items():
        command += [option, value]
    for fault in settings.faults:
        command += ["--fault", fault]
    return command


async def _read_ready(process: Process, scope: anyio.CancelScope) -> dict[str, Any] | None:
    """The one line that it prints when it serves; empty when it did not come to that, None when nobody wants it now.

    scope: is not entered yet, and whoever cancels it calls nobody: it is looked at.
    """
    assert process.stdout is not None
    said, stdout = "", TextReceiveStream(process.stdout)
    with anyio.move_on_after(READY_S), suppress(anyio.EndOfStream):
        while "\n" not in said:
            if scope.cancel_called:
                return None
            with anyio.move_on_after(LOOK_S):
                said += await stdout.receive()
    try:
        return dict(json.loads(said.partition("\n")[0]))
    except ValueError:
        return {}


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(STOP_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    await process.aclose()
