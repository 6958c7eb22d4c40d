"""Stores on the command line: which one is meant, and opening it without making one by mistake.

Receives: --storage URL, or --config FILE whose store is meant.
Gives:    connected stores; series as the user writes them.
Never:    makes a store for a command that only reads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any, Final, NamedTuple, TypeVar

import click

from tradecore.cli.interruption import Interruption, run_interruptible
from tradecore.cli.strategy_imports import allow_imports_beside
from tradecore.domain.instrument import Instrument
from tradecore.errors import SeriesNotFound, StorageUnavailable
from tradecore.runtime.config import load_config
from tradecore.runtime.nearest_name import find_nearest
from tradecore.runtime.run_config import STORAGE_URL_DEFAULT
from tradecore.storage.market_data_storage import EVENT_CLASSES, MarketDataStorage, Series, SeriesInfo
from tradecore.storage.open_storage import open_storage, parse_storage_url

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

SERIES_HELP: Final = 'A series, such as "IBM.NYSE 1d last" (bars) or AIG.US, or with its kind: "trade_tick AIG.US".'


class ChosenStore(NamedTuple):
    """A store's URL, the folder that a relative path begins in, and the instruments that its configuration defines."""

    url: str
    folder: Path | None
    instruments: tuple[Instrument, ...]

    @property
    def option(self) -> str:
        """How to name this store to another command."""
        address = parse_storage_url(self.url, relative_to=self.folder)
        return f"--storage {self.url}" if address.path is None else f"--storage {address.kind}:{address.path}"


def store_options(function: F) -> F:
    """--storage and --config, as `storage` and `config`."""
    url = click.option("--storage", metavar="URL", help=f"The store.  [default: {STORAGE_URL_DEFAULT}]")
    config = click.option(
        "--config", type=click.Path(path_type=Path), help="Use the store and the instruments of this configuration."
    )
    return url(config(function))


def choose_store(storage: str | None, config: Path | None) -> ChosenStore:
    """The store that --storage or --config names. Raises: ConfigError."""
    if config is None:
        return ChosenStore(storage or STORAGE_URL_DEFAULT, None, ())
    if storage is not None:
        raise click.UsageError("--storage and --config both name a store; leave one out")
    allow_imports_beside(config)
    loaded = load_config(config)
    return ChosenStore(loaded.storage.url, loaded.folder, loaded.instruments)


@asynccontextmanager
async def open_store(chosen: ChosenStore, *, may_create: bool = False) -> AsyncIterator[MarketDataStorage]:
    """The connected store. One that was made here goes again where an error leaves nothing in it.

    Raises: StorageUnavailable, also when it is not there and may not be made.
    """
    address = parse_storage_url(chosen.url, relative_to=chosen.folder)
    is_new = address.path is not None and not address.path.exists()
    if is_new and not may_create:
        raise StorageUnavailable(
            f"there is no store at {address.path}; `tradecore data import FILE {chosen.option}` makes it"
        )
    is_left_empty = False
    try:
        async with open_storage(chosen.url, relative_to=chosen.folder) as store:
            try:
                yield store
            except Exception:
                is_left_empty = is_new and not (await store.list_series() or await store.list_instruments())
                raise
    finally:
        if is_left_empty:
            _remove(address.path)


def _remove(path: Path | None) -> None:
    assert path is not None, "a new store has a path"
    if path.is_dir():
        rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run_async(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine in a loop of its own; SIGINT and SIGTERM cancel it and end with 130 and 143."""

    async def run_in_scope(interruption: Interruption) -> list[T]:
        with interruption.scope:
            return [await main()]
        return []

    done, interruption = run_interruptible(run_in_scope)
    if not done:
        click.echo("interrupted; stores were closed cleanly, run the command again to go on", err=True)
        raise click.exceptions.Exit(interruption.exit_code or 1)
    return done[0]


async def find_series(store: MarketDataStorage, text: str) -> SeriesInfo:
    """The series of the store that a user's words mean. Raises: SeriesNotFound; UsageError when several fit."""
    infos = await store.list_series()
    words = text.split()
    if words and words[0] in EVENT_CLASSES:
        fitting = [info for info in infos if info.series == Series(words[0], " ".join(words[1:]))]
    else:
        name = " ".join(words)
        fitting = [info for info in infos if name in (info.series.name, info.series.name.removesuffix(" last"))]
    # An instrument is enough where it has one series only.
    fitting = fitting or [info for info in infos if info.series.instrument == text]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = ", ".join(f'"{info.series}"' for info in fitting)
        raise click.UsageError(f"{text!r} fits several series: {listed}; write one of them whole")
    names = [info.series.name for info in infos]
    nearest = find_nearest(text, names)
    raise SeriesNotFound(store.url, text, [nearest] if nearest else names)
