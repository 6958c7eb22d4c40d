"""Config checks: what only shows when tables are compared with each other.

Receives: the raw tables and every value that the TableReader found good.
Gives:    mistakes in the log: unknown instruments, currencies and symbols, duplicates, contradictions.
Never:    opens a store. What only a store can tell (is there data for this run?) `tradecore check` and the assembly
          ask it.    DESIGN 13; EXECUTION 6, 9, 11.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from tradecore.brokerage.settings import INITIAL_MARGIN, Latency
from tradecore.domain.instrument import Instrument
from tradecore.errors import InvalidEvent, InvalidName
from tradecore.runtime.config_mistakes import (
    BAD_NAME,
    CONTRADICTION,
    DUPLICATE,
    UNKNOWN_NAME,
    MistakeLog,
)
from tradecore.runtime.config_names import check_known_instrument, check_name
from tradecore.runtime.config_scalars import describe
from tradecore.runtime.nearest_name import find_nearest
from tradecore.runtime.run_config import STORAGE_URL_DEFAULT
from tradecore.runtime.toml_places import KeyPath
from tradecore.storage.bundled.bundled_data import bundled_instrument, bundled_symbols
from tradecore.storage.open_storage import KINDS

Good = dict[KeyPath, Any]


def check_run(good: Good, log: MistakeLog) -> None:
    """[run]: a name that can be a folder, start before end, and no order by event time beside delays."""
    name = good.get(("run", "name"))
    if name is not None:
        check_name(name, ("run", "name"), log)
    start, end = good.get(("run", "start")), good.get(("run", "end"))
    if start is not None and end is not None and start >= end:
        log.add(
            CONTRADICTION,
            ("run", "end"),
            "the run ends before it starts",
            met=f"start {start.isoformat()} and end {end.isoformat()}",
            help_="write an end that is later than start",
        )
    if good.get(("run", "order_by")) != "event":
        return
    delayed = [path for path, law in good.items() if len(path) == 2 and path[0] == "delays" and not law.is_zero]
    for path in delayed:
        log.add(
            CONTRADICTION,
            path,
            'order_by = "event" cannot be had together with delays: strategies would see the future',
            help_='write order_by = "delivery" below [run], or take this delay out',
        )


def check_data(good: Good, log: MistakeLog) -> None:
    """[data] and [storage]: bundled symbols that exist, a url whose scheme is known."""
    symbols = bundled_symbols()
    seen: set[str] = set()
    for index, symbol in enumerate(good.get(("data", "bundled"), ())):
        path: KeyPath = ("data", "bundled", index)
        if symbol in seen:
            log.add(DUPLICATE, path, f"{symbol} is named twice", help_="take one out")
        elif symbol not in symbols:
            log.add(
                UNKNOWN_NAME,
                path,
                "no such bundled symbol",
                met=describe(symbol),
                expected=f"one of {', '.join(symbols)}",
                nearest=find_nearest(symbol, symbols),
                help_="bring in your own data with `tradecore data import FILE`",
            )
        seen.add(symbol)
    url = good.get(("storage", "url"))
    if url is not None:
        _check_storage_url(url, log)


def _check_storage_url(url: str, log: MistakeLog) -> None:
    scheme, colon, rest = url.partition(":")
    path: KeyPath = ("storage", "url")
    if scheme not in KINDS or not colon:
        log.add(
            UNKNOWN_NAME,
            path,
            "no such kind of storage",
            met=describe(url),
            expected='"sqlite:PATH", "parquet:FOLDER" or "memory:"',
            nearest=find_nearest(scheme, KINDS),
            help_=f'write url = "{STORAGE_URL_DEFAULT}"',
        )
    elif scheme != "memory" and not rest:
        log.add(
            BAD_NAME, path, "the url names no path", met=describe(url), help_=f'write url = "{STORAGE_URL_DEFAULT}"'
        )
    elif scheme == "memory" and rest:
        log.add(BAD_NAME, path, "a store in memory has no path", met=describe(url), help_='write url = "memory:"')


def check_instruments(good: Good, count: int, log: MistakeLog) -> list[Instrument]:
    """[[instruments]]: each id once. The ones that are sound."""
    first_of: dict[str, int] = {}
    for index in range(count):
        instrument_id = good.get(("instruments", index, "id"))
        if instrument_id in first_of:
            help_ = f"keep one; the first is instruments[{first_of[instrument_id]}]"
            log.add(DUPLICATE, ("instruments", index, "id"), f"{instrument_id} is defined twice", help_=help_)
        elif instrument_id is not None:
            first_of[instrument_id] = index
    return [good[key] for key in (("instruments", i) for i in range(count)) if key in good]


def list_known_instruments(good: Good, count: int) -> list[str] | None:
    """Ids that strategies and brokers may name.

    None when that cannot be said: there is no [[instruments]] at all, so the store alone defines them, or the id of
    one could not be read.
    """
    paths = [("instruments", i, "id") for i in range(count)]
    if not paths or any(path not in good for path in paths):
        return None
    return list(dict.fromkeys([*(good[path] for path in paths), *(bundled.id for bundled in _list_bundled(good))]))


def list_instrument_currencies(good: Good, count: int) -> dict[str, str]:
    """What instruments are priced in, by id; of those whose definition is sound and stands here or is bundled."""
    defined = [good[key] for key in (("instruments", i) for i in range(count)) if key in good]
    return {instrument.id: instrument.currency for instrument in (*_list_bundled(good), *defined)}


def _list_bundled(good: Good) -> list[Instrument]:
    """Instruments of the bundled symbols that this configuration names."""
    known = bundled_symbols()
    return [bundled_instrument(symbol) for symbol in good.get(("data", "bundled"), ()) if symbol in known]


def check_brokers(good: Good, names: Iterable[str], known: list[str] | None, log: MistakeLog) -> None:
    """[brokers]: no latency under same_close, cuts of laws in order, instruments and currencies that exist."""
    for name in names:
        path: KeyPath = ("brokers", name)
        latency = good.get((*path, "latency"))
        if good.get((*path, "bar_fill")) == "same_close" and isinstance(latency, Latency):
            slow = [leg for leg in ("submit", "cancel", "update", "report") if not getattr(latency, leg).is_zero]
            if slow:
                log.add(
                    CONTRADICTION,
                    (*path, "bar_fill"),
                    f'"same_close" executes on the bar that caused the order, so there can be no latency ({slow[0]})',
                    help_='write bar_fill = "next_open", or take the latency out',
                )
        if good.get((*path, "cash")) == {}:
            help_ = "write cash = { USD = 100000 }"
            log.add(CONTRADICTION, (*path, "cash"), "an account without any money cannot trade", help_=help_)
        for key in ("match_on", "spread"):
            for instrument in good.get((*path, key), {}):
                check_known_instrument(instrument, known, (*path, key, instrument), log)
        for index, instrument in enumerate(good.get((*path, "no_short"), ())):
            check_known_instrument(instrument, known, (*path, "no_short", index), log)
        initial = good.get((*path, "initial_margin"), INITIAL_MARGIN)
        kept = good.get((*path, "maintenance_margin"))
        if kept is not None and kept > initial:
            log.add(
                CONTRADICTION,
                (*path, "maintenance_margin"),
                "what may be opened must not be closed at once: it is above initial_margin",
                met=f"{kept} above {initial}",
                help_=f"write a maintenance_margin of at most {initial}, or leave it out: half of initial_margin",
            )


def check_adjustments(good: Good, brokers: Sequence[str], known: list[str] | None, log: MistakeLog) -> None:
    """[[adjustments]]: what an account can be adjusted by, of instruments and brokers that are there."""
    for index in sorted({int(path[1]) for path in good if path[0] == "adjustments" and len(path) > 1}):
        path: KeyPath = ("adjustments", index)
        instrument, broker = good.get((*path, "instrument"), ""), good.get((*path, "broker"), "")
        if instrument:
            check_known_instrument(instrument, known, (*path, "instrument"), log)
        if broker and broker not in brokers:
            log.add(
                UNKNOWN_NAME,
                (*path, "broker"),
                "no such broker",
                met=describe(broker),
                nearest=find_nearest(broker, brokers),
                help_="write the name of a [brokers.NAME] table, or leave it out for all",
            )
        settings = good.get(path)
        if settings is None:
            continue
        try:
            settings.to_event()
        except (InvalidEvent, InvalidName) as error:
            log.add(CONTRADICTION, path, str(error), help_="correct the values of this table")


def check_delay_laws(good: Good, log: MistakeLog) -> None:
    """Wherever a law stands: its lower cut below its upper one."""
    for path, law in list(good.items()):
        low, high = getattr(law, "min_ms", None), getattr(law, "max_ms", None)
        if low is not None and high is not None and low > high:
            log.add(
                CONTRADICTION,
                (*path, "max_ms"),
                "max_ms is below min_ms",
                met=f"{high} below {low}",
                help_="write a max_ms that is at least min_ms",
            )


def check_currencies(good: Good, broker_names: Iterable[str], instruments: list[Instrument], log: MistakeLog) -> None:
    """Cash of each broker: currencies that instruments know, and money (or a way to it) for every instrument."""
    if not instruments:
        return
    ways = [(i.base_currency, i.currency) for i in instruments if i.base_currency is not None]
    used = {i.currency for i in instruments} | {base for base, _ in ways}
    for name in broker_names:
        path: KeyPath = ("brokers", name, "cash")
        cash: dict[str, Decimal] | None = good.get(path)
        if cash is None:
            continue
        for currency in cash:
            if currency not in used:
                log.add(
                    UNKNOWN_NAME,
                    (*path, currency),
                    f"no instrument is priced in {currency}",
                    expected=f"one of {', '.join(sorted(used))}",
                    nearest=find_nearest(currency, sorted(used)),
                    help_="correct the currency, or the currency of the instruments",
                )
        for currency in sorted({i.currency for i in instruments} - _reach(set(cash), ways)):
            pricing = next(i.id for i in instruments if i.currency == currency)
            log.add(
                UNKNOWN_NAME,
                path,
                f"{pricing} is priced in {currency}, and this broker has none and no instrument to convert with",
                met=", ".join(cash) or "no cash",
                nearest=find_nearest(currency, cash),
                help_=f"write cash = {{ {currency} = 100000 }}",
            )


def _reach(start: set[str], ways: Sequence[tuple[str | None, str]]) -> set[str]:
    """Currencies that can be had from these through instruments that have a base currency."""
    reached = set(start)
    grew = True
    while grew:
        grew = False
        for pair in ways:
            if (pair[0] in reached) != (pair[1] in reached):
                reached.update(currency for currency in pair if currency)
                grew = True
    return reached
