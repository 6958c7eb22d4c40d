"""Pytest fixtures: a local venue for a test, in its own loop or as a process of its own.

Receives: `from tradecore.testing.venue_fixtures import local_venue, venue_process` in a conftest.py.
Gives:    `local_venue`: `async with local_venue(speed=20) as server:` plays a synthetic market in the test's loop;
          `venue_process`: `venue_process("--speed", "20")` starts `tradecore venue`, stopped when the test ends.
Never:    leaves a process behind, or takes a fixed port.    Issue 4, item 2.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

import tradecore
from tradecore.domain.instant import MINUTE_NS, parse_ns
from tradecore.testing.local_venue import (
    SyntheticSource,
    VenueServer,
    VenueSettings,
    open_local_venue,
    open_venue_server,
)
from tradecore.testing.local_venue.market_source import MarketSource

START_NS: Final = parse_ns("2024-01-02T10:00:00Z")
_STOP_S: Final = 10

OpenVenue = Callable[..., AbstractAsyncContextManager[VenueServer]]


@asynccontextmanager
async def serve_market(
    source: MarketSource | None = None, *, host: str = "127.0.0.1", port: int = 0, **settings: Any
) -> AsyncIterator[VenueServer]:
    """A venue that plays and listens in this loop. source: a small synthetic market, unless given.

    settings: of VenueSettings. `server.venue` is the LocalVenue: faults, truth.
    """
    chosen = source or SyntheticSource(START_NS, seed=settings.get("seed", 0), history_ns=5 * MINUTE_NS)
    async with (
        open_local_venue(chosen, VenueSettings(**settings)) as venue,
        open_venue_server(venue, host, port) as server,
    ):
        yield server


class VenueProcess:
    """A running `tradecore venue`. ready: its line of JSON; urls: its addresses."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "tradecore", "venue", "--json", *options]
        found = [str(Path(tradecore.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        # The package that this test runs, wherever the test has gone meanwhile.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in found if path)}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=environment, **pipes)  # noqa: S603
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.ready: dict[str, Any] = json.loads(line) if line.strip() else {}
        if self.ready.get("status") != "ready":
            _, errors = self._process.communicate(timeout=_STOP_S)
            pytest.fail(f"tradecore venue {' '.join(options)} ended with {self._process.returncode}: {line}{errors}")
        self.urls: dict[str, str] = self.ready["urls"]

    def read_json(self, url: str, *, method: str = "GET", body: Any = None) -> Any:
        """The JSON at a URL of the venue."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        encoded = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, encoded, headers, method=method)  # noqa: S310  (our own loopback)
        with urllib.request.urlopen(request, timeout=_STOP_S) as answer:  # noqa: S310
            return json.load(answer)

    def read_control(self, name: str, *, method: str = "GET", body: Any = None) -> Any:
        """The answer of the control desk: "clock", "status", "faults", "truth?symbol=BTCUSDT"."""
        return self.read_json(f"{self.urls['control']}/{name}", method=method, body=body)

    def pause(self) -> None:
        """Freeze the process: nothing comes from it, and no connection is closed."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, dict[str, Any]]:
        """Stop it; exit code and its last line of JSON."""
        self._process.send_signal(number)
        said, _ = self._process.communicate(timeout=_STOP_S)
        lines = said.strip().splitlines()
        return self._process.returncode, json.loads(lines[-1]) if lines else {}

    def end(self) -> None:
        """See that it is gone."""
        if self._process.poll() is None:
            self.resume()
            self._process.kill()
        self._process.communicate(timeout=_STOP_S)


@pytest.fixture
def local_venue() -> OpenVenue:
    """Opens a venue in the test's own loop: `async with local_venue(speed=20) as server:`."""
    return serve_market


@pytest.fixture
def venue_process() -> Iterator[Callable[..., VenueProcess]]:
    """Starts `tradecore venue` with the options given; each is stopped when the test ends."""
    started: list[VenueProcess] = []

    def start(*options: str) -> VenueProcess:
        started.append(VenueProcess(*options))
        return started[-1]

    yield start
    for process in started:
        process.end()
