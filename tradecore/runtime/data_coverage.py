"""Data coverage: whether a store has what a configuration is going to ask for.

Receives: a RunConfig, and what its store holds.
Gives:    for each series and instrument that the params of a strategy name: rows, first and last time, and a verdict.
Never:    runs a strategy: what it subscribes to without a param that names it only shows in a run.    DESIGN 13.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import DAY_NS, format_ns
from tradecore.domain.instrument import check_instrument_id
from tradecore.errors import InvalidName
from tradecore.runtime.run_config import RunConfig
from tradecore.storage.bundled.bundled_data import load_bundled_bars
from tradecore.storage.market_data_storage import MarketDataStorage, Series, SeriesInfo

Verdict = Literal["covered", "partly", "missing", "nowhere"]

SLACK_NS = 4 * DAY_NS
"""A market that is closed over a long weekend begins that much late, without anything being missing."""


class Coverage(msgspec.Struct, frozen=True):
    """What there is of one wanted series, or of any series of one wanted instrument.

    wanted: the name as the param has it; strategy: whose. found: series that fit. verdict: "covered", "partly" (it
    begins later or ends earlier than the run, by more than a long weekend), "missing" (nothing within the run) or
    "nowhere" (none of a live run's venues has such instruments).
    """

    strategy: str
    wanted: str
    found: tuple[SeriesInfo, ...]
    verdict: Verdict
    note: str


async def find_coverage(config: RunConfig, storage: MarketDataStorage | None) -> list[Coverage]:
    """Coverage of everything the params name, in the order of the strategies. storage: None when there is none yet."""
    infos = {info.series: info for info in (await storage.list_series() if storage is not None else [])}
    for info in _list_bundled(config):
        held = infos.get(info.series)
        infos[info.series] = info if held is None else _join(held, info)
    coverages = []
    for strategy in config.strategies:
        for wanted in dict.fromkeys(_find_names(strategy.params)):
            fitting = [info for series, info in sorted(infos.items()) if wanted in (series.key, series.instrument)]
            note = _find_venue_missing(config, wanted)
            if note is not None:
                coverages.append(Coverage(strategy.name, str(wanted), tuple(fitting), "nowhere", note))
            else:
                coverages.append(_judge(config, strategy.name, wanted, fitting))
    return coverages


def _find_venue_missing(config: RunConfig, wanted: BarType | str) -> str | None:
    """Why no venue of a live run can have it, None where one may."""
    suffix = (wanted if isinstance(wanted, str) else wanted.instrument).rpartition(".")[2]
    known = sorted(venue.id_suffix for venue in config.venues.values())
    if config.run.mode != "live" or suffix in known:
        return None
    return f"it trades at {suffix}, and the venues of this run have instruments of {', '.join(known)}"


def _list_bundled(config: RunConfig) -> Iterator[SeriesInfo]:
    for symbol in config.data.bundled:
        bars = load_bundled_bars(symbol)
        yield SeriesInfo(Series.of(bars[0]), len(bars), bars[0].ts_event, bars[-1].ts_event)


def _join(held: SeriesInfo, bundled: SeriesInfo) -> SeriesInfo:
    first, last = min(held.first_ns, bundled.first_ns), max(held.last_ns, bundled.last_ns)
    return SeriesInfo(held.series, max(held.rows, bundled.rows), first, last)


def _find_names(value: Any, name: str = "") -> Iterator[BarType | str]:
    """Bar types (by how they read) and instrument ids (by the name of their param) in params, however deep."""
    if isinstance(value, BarType):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _find_names(inner, key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _find_names(inner, name)
    elif isinstance(value, str):
        try:
            if name.endswith(("instrument", "instruments", "instrument_id")):
                yield check_instrument_id(value)
            elif len(value.split()) in (2, 3):
                yield BarType.parse(value)
        except InvalidName:
            return  # an ordinary text; load_config has complained where it should have been a name


def _judge(config: RunConfig, strategy: str, wanted: BarType | str, fitting: Sequence[SeriesInfo]) -> Coverage:
    start, end = config.run.start_ns, config.run.end_ns
    within = [
        info for info in fitting if (end is None or info.first_ns <= end) and (start is None or info.last_ns >= start)
    ]
    if not within:
        had = ", ".join(f"{format_ns(info.first_ns)} to {format_ns(info.last_ns)}" for info in fitting)
        note = f"the store has it from {had} only" if had else "the store has nothing of it"
        return Coverage(strategy, str(wanted), tuple(fitting), "missing", note)
    late = [info for info in within if start is not None and info.first_ns - start > SLACK_NS]
    early = [info for info in within if end is not None and end - info.last_ns > SLACK_NS]
    notes = [f"{info.series} begins {format_ns(info.first_ns)}" for info in late]
    notes += [f"{info.series} ends {format_ns(info.last_ns)}" for info in early]
    return Coverage(strategy, str(wanted), tuple(within), "partly" if notes else "covered", "; ".join(notes))
