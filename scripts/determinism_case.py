"""One run of the determinism case: minutes of GBPUSD, a timer, an aggregation; prints its digests as one JSON object.

Receives: a store with the bid and ask bars of GBPUSD.FX, and what must not matter: the order in which the strategy
          subscribes, the batch size, the kind of store, PYTHONHASHSEED and the interpreter that this is run by.
Gives:    digests of orders, executions and callbacks, and how many there were of each.
Never:    decides what is right: tests/acceptance/test_determinism.py and scripts/determinism compare.

    python scripts/determinism_case.py --store sqlite:market.db --subscribe 5m,timer,ask,bid --batch-size 16
    python scripts/determinism_case.py --build sqlite:market.db --data FOLDER     import the bars, once
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import tradecore as tc
from tradecore.domain.instrument import Instrument
from tradecore.indicators import SMA
from tradecore.storage.market_data_storage import MarketDataStorage

BID, ASK, FIVE = "GBPUSD.FX 1m bid", "GBPUSD.FX 1m ask", "GBPUSD.FX 5m bid"
WORDS = ("bid", "ask", "5m", "timer")
GBPUSD = Instrument(
    id="GBPUSD.FX",
    price_increment=Decimal("0.00001"),
    quantity_increment=Decimal(1),
    currency="USD",
    base_currency="GBP",
    session="fx",
)


class TimedCross(tc.Strategy):
    """A fast average of minutes against a slow one of five minutes, decided by a timer once a minute.

    Everything takes part in the decision, so that a feed which came out of its turn would change an order: the timer
    must find the minute that ended at its instant, and the five minutes that this minute closed.
    """

    def __init__(self, order: tuple[str, ...]) -> None:
        self.order = order
        self.fast, self.slow = SMA(10), SMA(6)

    def on_start(self) -> None:
        """Subscribe in the order that was asked for."""
        for word in self.order:
            if word == "bid":
                self.subscribe_to_bars(BID, key="bid")
            elif word == "ask":
                self.subscribe_to_bars(ASK, key="ask")
            elif word == "5m":
                self.subscribe_to_bars(FIVE, key="5m", source=BID)
            else:
                self.add_repeating_timer("timer", timedelta(minutes=1))
        self.add_indicator(self.fast, key="bid")
        self.add_indicator(self.slow, key="5m")

    def on_bar(self, bar: tc.Bar) -> None:
        """In the trace only: which bar came when."""

    def on_execution(self, execution: tc.Execution) -> None:
        """In the trace only."""

    def on_time_event(self, event: Any) -> None:
        """Hold 10,000 pounds on the side of the cross, while both prices are of this minute and the spread is sane."""
        if not (self.slow.is_ready and self.fast.is_ready and self.events["ask"]):
            return
        bid, ask = self.events["bid"][-1], self.events["ask"][-1]
        if bid.ts_event != event.ts_event or ask.ts_event != event.ts_event or not 0 <= ask.close - bid.close < 0.0004:
            return
        target = Decimal(10_000) if self.fast.value > self.slow.value else Decimal(-10_000)
        change = target - self.position(GBPUSD.id).quantity
        if change:
            self.submit_order(tc.Order.market(GBPUSD.id, change))


async def build_store(url: str, folder: Path) -> None:
    """Import both sides into a store."""
    from tradecore.storage.importing.import_data import import_data
    from tradecore.storage.importing.import_settings import ImportSettings

    async with tc.open_storage(url) as storage:
        for side in ("bid", "ask"):
            settings = ImportSettings(bar_type=f"GBPUSD.FX 1m {side}", stamp="start")
            path = folder / "bars" / f"gbpusd_1m_{side}_2012-02.csv.gz"
            await import_data(storage, path, settings, instruments=[GBPUSD])


async def copy_store(source: MarketDataStorage, target: MarketDataStorage) -> None:
    """All that one store has, into another one."""
    await target.add_instruments(await source.list_instruments())
    for info in await source.list_series():
        await target.append([event async for batch in source.read(info.series) for event in batch])


async def run_case(url: str, order: tuple[str, ...], batch_size: int, days: float) -> dict[str, Any]:
    """The run's digests and counts. A url "memory:URL" is a copy of URL in memory. days: length, from 2012-02-01."""
    async with AsyncExitStack() as stack:
        kind, _, origin = url.partition(":")
        storage = await stack.enter_async_context(tc.open_storage(origin if kind == "memory" else url))
        if kind == "memory":
            copy = await stack.enter_async_context(tc.open_storage("memory:"))
            await copy_store(storage, copy)
            storage = copy
        start = datetime(2012, 2, 1, tzinfo=UTC)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        result = await tc.run_backtest(
            strategies={"cross": TimedCross(order)},
            storage=storage,
            brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(100_000)})},
            start=start,
            end=start + timedelta(days=days),
            batch_size=batch_size,
            trace=True,
            runs_dir=folder,
        )
    digests = {name: result.digests[name] for name in ("orders", "executions", "callbacks")}
    return {"digests": digests, "counts": result.counts}


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", metavar="URL", help="import the bars into this store and leave")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the real data is, for --build")
    parser.add_argument("--store", metavar="URL", help='"memory:URL" copies another store into memory')
    parser.add_argument("--subscribe", default=",".join(WORDS), metavar="WORDS", help="bid,ask,5m,timer in any order")
    parser.add_argument("--batch-size", type=int, default=1_024)
    parser.add_argument("--days", type=float, default=29.0, help="length of the run from 2012-02-01")
    given = parser.parse_args()
    if given.build:
        if given.data is None:
            parser.error("--build needs --data FOLDER")
        asyncio.run(build_store(given.build, given.data))
        return
    if not given.store:
        parser.error("--store URL says what to read")
    order = tuple(given.subscribe.split(","))
    if sorted(order) != sorted(WORDS):
        parser.error(f"--subscribe {given.subscribe}: expected {','.join(WORDS)} in any order")
    answer = asyncio.run(run_case(given.store, order, given.batch_size, given.days))
    print(json.dumps({"python": platform.python_version(), **answer}))


if __name__ == "__main__":
    main()
