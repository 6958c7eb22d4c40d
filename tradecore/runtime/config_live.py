"""Live checks: what only shows when the tables of a live run are compared with each other.

Receives: the raw tables and every value that the TableReader found good.
Gives:    mistakes in the log: live tables without a live run, a live run without a venue, two ends, clocks of nobody.
Never:    connects: whether a venue can be reached shows in phase A.    DESIGN 10, 13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tradecore.runtime.config_mistakes import CONTRADICTION, DUPLICATE, MISSING_KEY, OUT_OF_RANGE, MistakeLog
from tradecore.runtime.config_names import check_name
from tradecore.runtime.live_settings import URL_SCHEMES, URL_WORDS, VenueSettings
from tradecore.runtime.toml_places import KeyPath

Good = dict[KeyPath, Any]

LIVE_TABLES: Final = ("venues", "handover", "recording")
MARKET_SOURCES: Final = ("frames:", "store:")
LIVE_RUN_KEYS: Final = ("warmup", "duration", "clock")


def check_live(good: Good, tables: Mapping[str, Any], log: MistakeLog) -> None:
    """Compare [run], [venues.NAME] and [handover]."""
    mode = good.get(("run", "mode"))
    run = tables.get("run")
    if mode is None and isinstance(run, dict) and "mode" not in run:
        mode = "backtest"
    if mode == "backtest":
        _check_backtest(tables, log)
    elif mode == "live":
        _check_run(good, tables, log)
        _check_venues(good, tables, log)


def _check_backtest(tables: Mapping[str, Any], log: MistakeLog) -> None:
    run = tables.get("run")
    written: list[KeyPath] = [(name,) for name in LIVE_TABLES if name in tables]
    if isinstance(run, dict):
        written += [("run", key) for key in LIVE_RUN_KEYS if key in run]
    for path in written:
        log.add(
            CONTRADICTION,
            path,
            "this is for live runs, and the run is a backtest",
            help_='write mode = "live" below [run], or take it out',
        )


def _check_run(good: Good, tables: Mapping[str, Any], log: MistakeLog) -> None:
    if ("run", "warmup") in good and good.get(("run", "start")) is not None:
        log.add(
            CONTRADICTION,
            ("run", "warmup"),
            "warmup and start both say where history begins",
            help_="keep one of them",
        )
    if ("run", "duration") in good and good.get(("run", "end")) is not None:
        log.add(
            CONTRADICTION, ("run", "duration"), "duration and end both say where the run ends", help_="keep one of them"
        )
    if good.get(("run", "order_by")) == "event":
        log.add(
            CONTRADICTION,
            ("run", "order_by"),
            "live events are delivered as they arrive",
            help_='write order_by = "delivery", or take it out',
        )
    data = tables.get("data")
    if isinstance(data, dict) and "recording" in data:
        log.add(
            CONTRADICTION,
            ("data", "recording"),
            "a recording is replayed by a backtest; a live run reads its history from the store",
            help_='write mode = "backtest", or take it out',
        )
    local = [path for path, value in good.items() if _is_venue(path) and value.local is not None]
    written = tables.get("venues")
    is_whole = not isinstance(written, dict) or all(("venues", name) in good for name in written)
    if good.get(("run", "clock")) == "venue" and len(local) != 1 and is_whole:  # else their own mistakes are told
        log.add(
            CONTRADICTION,
            ("run", "clock"),
            f"the venue's clock is that of one local venue, and there are {len(local)}",
            help_='write local = { market = "synthetic" } below one [venues.NAME], or clock = "system"',
        )


def _check_venues(good: Good, tables: Mapping[str, Any], log: MistakeLog) -> None:
    raw = tables.get("venues")
    if not raw:
        log.add(
            MISSING_KEY,
            ("venues",),
            "a live run needs at least one venue",
            help_='write [venues.binance] with type = "binance"',
        )
        return
    first_of: dict[str, KeyPath] = {}
    for path, value in list(good.items()):
        if not _is_venue(path):
            continue
        check_name(str(path[1]), path, log)
        _check_urls(path, value, log)
        _check_local(path, value, log)
        suffix = value.id_suffix
        if suffix in first_of:
            log.add(
                DUPLICATE,
                path,
                f"instruments of {suffix} are of [venues.{first_of[suffix][1]}] already",
                help_="give one of them another suffix",
            )
        first_of.setdefault(suffix, path)


def _check_urls(path: KeyPath, venue: VenueSettings, log: MistakeLog) -> None:
    """An address that its protocol has no use for, or that begins with another scheme."""
    for word, schemes in URL_SCHEMES.items():
        url: str | None = getattr(venue, word)
        if url is None:
            continue
        if word not in URL_WORDS[venue.type]:
            listed = ", ".join(URL_WORDS[venue.type])
            help_ = f"take it out; {venue.type} has {listed}"
            log.add(CONTRADICTION, (*path, word), f"{venue.type} is asked at no such address", help_=help_)
        elif not url.startswith(schemes):
            log.add(
                OUT_OF_RANGE,
                (*path, word),
                "not the address of such a server",
                help_=f'write {word} = "{schemes[0]}HOST..."',
                met=f'"{url}"',
                expected=f"a url that begins with {' or '.join(schemes)}",
            )


def _check_local(path: KeyPath, venue: VenueSettings, log: MistakeLog) -> None:
    """A market that no local venue can be given."""
    if venue.local is None:
        return
    market = venue.local.market
    if market != "synthetic" and not (market.startswith(MARKET_SOURCES) and market.partition(":")[2]):
        log.add(
            OUT_OF_RANGE,
            (*path, "local", "market"),
            "not a market that a local venue can have",
            help_='write market = "synthetic"',
            met=f'"{market}"',
            expected='"synthetic", "frames:FILE" or "store:URL"',
        )


def _is_venue(path: KeyPath) -> bool:
    return len(path) == 2 and path[0] == "venues"
