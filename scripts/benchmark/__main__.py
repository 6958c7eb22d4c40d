"""python -m benchmark [--json] [--rounds N] [--only W1,W2]: every figure next to the bare loop of the same process.

share = events per CPU second through the engine / events per CPU second of the bare loop; each is the best of the
rounds, bare and engine in turn. A round of the bare loop repeats it until it lasts as long as the engine: on a machine
that others use too, a short loop finds a quiet moment where a long one cannot. For their sake, too, rounds go on while
they find better ones, three times as many at most. result_ok: the run gave what it must.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import bare_loops as bare
from benchmark import engine_runs as engine
from benchmark import intake
from benchmark import workloads as w
from benchmark.long_history import LONG_EVENTS

Figures = dict[str, Any]

ROUNDS_MORE = 3
"""How often the wanted rounds are taken at most."""

BETTER = 0.99
"""Time of a round over the best before it that counts as better."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds of each; shares take more while they find better ones (default 5)"
    )
    parser.add_argument("--only", default="", help="comma-separated names, for example W1,sqlite")
    options = parser.parse_args()
    data = w.make_workloads()
    jobs: dict[str, Callable[[w.Workloads, int], Figures]] = {
        "W1": measure_w1, "W2": measure_w2, "W3": measure_w3, "W4": measure_w4, "W5": measure_w5,
        "W3_async": measure_w3_async, "sqlite": measure_sqlite, "parquet": measure_parquet, "length": measure_length,
        "feeds": measure_feeds, "memory": measure_memory, "intake": measure_intake,
    }  # fmt: skip
    names = [name for name in options.only.split(",") if name] or list(jobs)
    unknown = [name for name in names if name not in jobs]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(jobs)}")
    figures = {}
    for name in names:
        figures[name] = jobs[name](data, options.rounds)
        if not options.json:
            print(f"{name:9} {_line(figures[name])}", flush=True)
    if options.json:
        print(json.dumps(figures, indent=1))
    return 0 if all(figure.get("result_ok", True) for figure in figures.values()) else 7


def _line(figure: Figures) -> str:
    return "  ".join(
        f"{key}={value:,}" if isinstance(value, int) else f"{key}={value}" for key, value in figure.items()
    )


# ---------------------------------------------------------------------------------------------------------- W1 to W5


def compare(
    events: int, run_bare: Callable[[], float], run_engine: Callable[[], tuple[float, bool]], rounds: int
) -> Figures:
    """Best CPU seconds of each, run in turn, over stretches of about the same length."""
    best_bare = best_engine = float("inf")
    is_right = True
    once = run_bare()
    last = 0  # the newest round that was better than those before it
    for number in range(ROUNDS_MORE * rounds):
        seconds, right = run_engine()
        repeats = max(round(min(seconds, best_engine) / max(min(once, best_bare), 1e-6)), 1)
        bare_mean = sum(run_bare() for _ in range(repeats)) / repeats
        if min(seconds / best_engine, bare_mean / best_bare) < BETTER:
            last = number
        best_bare, best_engine = min(best_bare, bare_mean), min(best_engine, seconds)
        is_right = is_right and right
        if number + 1 >= rounds + last:
            break
    return {
        "events_per_cpu_s": round(events / best_engine),
        "bare_events_per_cpu_s": round(events / best_bare),
        "share": round(best_bare / best_engine, 3),
        "result_ok": is_right,
    }


def bare_seconds(strategy_class: Any, run: Callable[..., None], *arguments: Any) -> Callable[[], float]:
    """A call that runs a bare loop and gives its CPU seconds."""

    def once() -> float:
        venue = bare.Venue()
        strategy = strategy_class(venue)
        start = time.process_time()
        run(strategy, venue, *arguments)
        return time.process_time() - start

    return once


def measure_w1(data: w.Workloads, rounds: int) -> Figures:
    last = float(data.bars["close"][-1])
    zeros = np.zeros(len(data.bars["ts"]), np.int64)

    def run_engine() -> tuple[float, bool]:
        done = engine.run(engine.W1(engine.bars_feed(data.bars)), orders=True)
        right = (done.strategy.submitted, engine.profit(done, last)) == (w.W1_ORDERS, w.W1_PROFIT)
        return done.seconds, right

    return compare(500_000, bare_seconds(bare.BareW1, bare.run_bars, data.bars, zeros), run_engine, rounds)


def measure_w2(data: w.Workloads, rounds: int) -> Figures:
    last = float(data.quotes["bid"][-1] + data.quotes["ask"][-1]) / 2

    def run_engine() -> tuple[float, bool]:
        done = engine.run(engine.W2(engine.quotes_feed(data.quotes)), orders=True)
        right = (done.strategy.submitted, engine.profit(done, last)) == (w.W2_ORDERS, w.W2_PROFIT)
        return done.seconds, right

    return compare(1_000_000, bare_seconds(bare.BareW2, bare.run_quotes, data.quotes), run_engine, rounds)


def measure_w3(data: w.Workloads, rounds: int, strategy_class: Any = engine.W3) -> Figures:
    def run_engine() -> tuple[float, bool]:
        done = engine.run(strategy_class(engine.trades_feed(data.trades)), orders=False)
        right = (done.strategy.count, done.strategy.last) == (1_000_000, w.W3_LAST_PRICE)
        return done.seconds, right

    return compare(1_000_000, bare_seconds(bare.BareW3, bare.run_trades, data.trades), run_engine, rounds)


def measure_w3_async(data: w.Workloads, rounds: int) -> Figures:
    return measure_w3(data, rounds, engine.W3Async)


def measure_w4(data: w.Workloads, rounds: int) -> Figures:
    count = len(data.four_bars[0]["ts"])
    streams = [(bare.Bar, [*columns.values(), np.full(count, k)]) for k, columns in enumerate(data.four_bars)]
    streams.append((bare.Timer, [data.four_bars[0]["ts"]]))
    names = [f"BENCH{k}.X" for k in range(4)]

    def run_engine() -> tuple[float, bool]:
        feeds = [engine.bars_feed(columns, name) for columns, name in zip(data.four_bars, names, strict=True)]
        strategy = engine.W4(feeds, int(data.four_bars[0]["ts"][0]))
        done = engine.run(strategy, orders=False, instruments=names)
        return done.seconds, (strategy.count, strategy.timers) == (w.W4_BARS, w.W4_TIMERS)

    return compare(1_250_000, bare_seconds(bare.BareW4, bare.run_merged, streams), run_engine, rounds)


def measure_w5(data: w.Workloads, rounds: int) -> Figures:
    def run_engine() -> tuple[float, bool]:
        done = engine.run(engine.W5(engine.quotes_feed(data.churn_quotes)), orders=True)
        strategy = done.strategy
        met = (strategy.submitted, strategy.executions, strategy.cancelled)
        return done.seconds, met == (w.W5_SUBMITTED, w.W5_EXECUTED, w.W5_CANCELLED)

    return compare(200_000, bare_seconds(bare.BareW5, bare.run_quotes, data.churn_quotes), run_engine, rounds)


# ------------------------------------------------------------------------------------------------------------- stores


def measure_sqlite(data: w.Workloads, rounds: int) -> Figures:
    """W3 from a SQLite store, against a plain sqlite3 loop that builds the same objects from the same file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        engine.fill_store(f"sqlite:{path}", data.trades)

        def run_bare() -> float:
            strategy = bare.BareW3(bare.Venue())
            start = time.process_time()
            bare.run_sqlite(strategy, path, *engine.plain_trades_query())
            seconds = time.process_time() - start
            assert strategy.last == w.W3_LAST_PRICE
            return seconds

        return compare(1_000_000, run_bare, lambda: _run_stored(f"sqlite:{path}"), rounds)


def measure_parquet(data: w.Workloads, rounds: int) -> Figures:
    """W3 from a Parquet store, against the bare loop from columns in memory."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"parquet:{Path(folder) / 'bench'}"
        engine.fill_store(url, data.trades)
        run_bare = bare_seconds(bare.BareW3, bare.run_trades, data.trades)
        return compare(1_000_000, run_bare, lambda: _run_stored(url), rounds)


def _run_stored(url: str) -> tuple[float, bool]:
    done = engine.run(engine.W3Stored(), orders=False, storage=url)
    return done.seconds, (done.strategy.count, done.strategy.last) == (1_000_000, w.W3_LAST_PRICE)


# ------------------------------------------------------------------------------------------------------------ scaling


def measure_length(data: w.Workloads, rounds: int) -> Figures:
    """CPU seconds for the whole over CPU seconds for half of it: 2.0 is linear."""

    def ratio(make: Callable[[int], Callable[[], float]], rows: int) -> float:
        half, whole = make(rows // 2), make(rows)
        best_half = best_whole = float("inf")
        for _ in range(rounds):
            best_half = min(best_half, (half() + half()) / 2)  # as long as the whole: see above
            best_whole = min(best_whole, whole())
        return round(best_whole / best_half, 3)

    def of(
        strategy_class: Any, make_feed: Callable[[Any], Any], columns: Any, *, orders: bool
    ) -> Callable[[int], Callable[[], float]]:
        return lambda rows: lambda: engine.run(strategy_class(make_feed(w.head(columns, rows))), orders=orders).seconds

    def w4(rows: int) -> Callable[[], float]:
        names = [f"BENCH{k}.X" for k in range(4)]

        def once() -> float:
            feeds = [engine.bars_feed(w.head(c, rows), n) for c, n in zip(data.four_bars, names, strict=True)]
            return engine.run(
                engine.W4(feeds, int(data.four_bars[0]["ts"][0])), orders=False, instruments=names
            ).seconds

        return once

    return {
        "W1": ratio(of(engine.W1, engine.bars_feed, data.bars, orders=True), 500_000),
        "W2": ratio(of(engine.W2, engine.quotes_feed, data.quotes, orders=True), 1_000_000),
        "W3": ratio(of(engine.W3, engine.trades_feed, data.trades, orders=False), 1_000_000),
        "W4": ratio(w4, 250_000),
        "W5": ratio(of(engine.W5, engine.quotes_feed, data.churn_quotes, orders=True), 200_000),
    }


def measure_feeds(data: w.Workloads, rounds: int) -> Figures:
    """The million trades of W3 as 1, 10 and 100 feeds: CPU nanoseconds per event, and the worst over the best."""
    parts: dict[int, list[w.Columns]] = {}
    for count in (1, 10, 100):
        # Columns of their own, as feeds have them: a view with holes would read a hundred times as much memory.
        dealt = [{key: column[k::count] for key, column in data.trades.items()} for k in range(count)]
        parts[count] = [{key: np.ascontiguousarray(column) for key, column in part.items()} for part in dealt]
    costs = dict.fromkeys(parts, float("inf"))
    for _ in range(rounds):
        for count, columns in parts.items():  # in turn: see compare
            names = [f"BENCH{k}.X" for k in range(count)]
            feeds = [engine.trades_feed(part, name) for part, name in zip(columns, names, strict=True)]
            done = engine.run(engine.ManyFeeds(feeds), orders=False, instruments=names)
            assert done.strategy.count == 1_000_000
            costs[count] = min(costs[count], done.seconds * 1_000)
    return {f"ns_per_event_{count}": round(cost, 1) for count, cost in costs.items()} | {
        "worst_over_best": round(max(costs.values()) / min(costs.values()), 3)
    }


def measure_memory(data: w.Workloads, rounds: int) -> Figures:
    """Peak memory of a process of its own that passes ten million generated trades through the engine."""
    del data, rounds
    command = [sys.executable, "-m", "benchmark.long_history"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: Figures = json.loads(done.stdout)
    return {
        "events": LONG_EVENTS, "peak_mb": answer["peak_mb"], "result_ok": answer["count"] == LONG_EVENTS,
    }  # fmt: skip


def measure_intake(data: w.Workloads, rounds: int) -> Figures:
    """Live: frame to callback over a loopback socket; and phase C over W3's replay from memory, of the same process."""
    figures = intake.measure_intake(rounds)
    replay = measure_w3(data, 1)["events_per_cpu_s"]
    figures["catch_up_over_replay"] = round(figures["catch_up_events_per_cpu_s"] / replay, 3)
    return figures


if __name__ == "__main__":
    sys.exit(main())
