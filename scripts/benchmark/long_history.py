"""python -m benchmark.long_history: ten million generated trades through the engine; prints peak memory as JSON."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import tradecore as tc
from tradecore.feeds.event_feed import BaseFeed

LONG_EVENTS = 10_000_000
START = 1_704_067_200_000_000_000
INSTRUMENT = "LONG.X"


class GeneratedTrades(BaseFeed):
    """Trades 50 ms apart whose price walks up and down; nothing is kept."""

    def __init__(self, count: int) -> None:
        super().__init__("generated", ["trade_tick"])
        self.count, self.made = count, 0

    async def next_batch(self, limit: int) -> list[Any]:
        first, stop = self.made, min(self.made + limit, self.count)
        self.made = stop
        return [
            tc.TradeTick(INSTRUMENT, START + n * 50_000_000, START + n * 50_000_000, 100.0 + n % 997 / 100, 1.0)
            for n in range(first, stop)
        ]


class Counting(tc.Strategy):
    """Counts, and trades once in a while so that the ledgers have work."""

    def __init__(self, feed: Any) -> None:
        self.feed, self.count = feed, 0

    def on_start(self) -> None:
        self.add_event_feed(self.feed, "trades")

    def on_trade_tick(self, tick: tc.TradeTick) -> None:
        self.count += 1
        if self.count % 10_000 == 0:
            self.submit_order(tc.Order.market(INSTRUMENT, 1 if self.count % 20_000 else -1))


def main() -> None:
    strategy = Counting(GeneratedTrades(LONG_EVENTS))
    instrument = tc.Instrument(
        id=INSTRUMENT, price_increment=Decimal("0.01"), quantity_increment=Decimal("0.01"), currency="USD"
    )
    settings = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(100_000)}, participation=Decimal(1))
    asyncio.run(tc.run_backtest(strategies=[strategy], instruments=[instrument], brokers={"sim": settings}))
    print(json.dumps({"count": strategy.count, "peak_mb": round(read_peak_mb(), 1)}))


def read_peak_mb() -> float:
    """Peak resident memory of this program alone: getrusage would count what the process was before its exec, too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1_024
    raise RuntimeError("the kernel does not tell the peak memory (VmHWM) of this process; run the benchmark on Linux")


if __name__ == "__main__":
    main()
