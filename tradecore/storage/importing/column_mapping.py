"""Which column of a file is what: guessed from the header's names, always shown, always overridable.

Receives: header cells (or the first row of a file without one), and what the user said.
Gives:    role to position, the kind of event that the columns make, what the names carry (zone, stamp).
Never:    maps one role twice or one column to two roles; never decides by values what a name leaves open.  Spec: 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tradecore.storage.importing.import_settings import NOT_MAPPED

REQUIRED_ROLES: Final[dict[str, tuple[str, ...]]] = {
    "bar": ("time", "open", "high", "low", "close"),
    "trade_tick": ("time", "price"),
    "quote_tick": ("time", "bid_price", "ask_price"),
    "depth": ("time", "bids", "asks"),
}
OPTIONAL_ROLES: Final[dict[str, tuple[str, ...]]] = {
    "bar": ("time_of_day", "volume", "received", "flags"),
    "trade_tick": ("time_of_day", "size", "aggressor", "buyer_is_maker", "trade_id", "received", "flags"),
    "quote_tick": ("time_of_day", "bid_size", "ask_size", "sequence", "received", "flags"),
    "depth": ("time_of_day", "sequence", "received", "flags"),
}

# Names as they stand in files of exchanges and vendors, lower case without punctuation, best first.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "time": (
        "barend", "barstart", "opentime", "starttime", "endtime", "timestamp", "datetime", "dateandtime", "tsevent",
        "dtevent", "eventtime", "tradetime", "date", "time", "ts", "dt", "unixtime", "unix", "epoch", "start", "end",
    ),
    "time_of_day": ("time", "timeofday"),
    "open": ("open", "openprice", "o"),
    "high": ("high", "highprice", "h", "max"),
    "low": ("low", "lowprice", "l", "min"),
    "close": ("close", "closeprice", "c", "last"),
    "volume": ("volume", "vol", "v", "basevolume", "tradedvolume"),
    "bid_price": ("bidprice", "bid", "bestbid", "bestbidprice", "b"),
    "ask_price": ("askprice", "ask", "bestask", "bestaskprice", "offer", "offerprice", "a"),
    "bid_size": ("bidsize", "bidqty", "bidquantity", "bidvolume", "bidamount", "bestbidqty", "bestbidsize"),
    "ask_size": ("asksize", "askqty", "askquantity", "askvolume", "askamount", "bestaskqty", "bestasksize"),
    "price": ("price", "tradeprice", "lastprice", "px", "p"),
    "size": ("size", "qty", "quantity", "amount", "tradesize", "lastsize", "volume", "vol", "q"),
    "aggressor": ("aggressor", "side", "takerside", "aggressorside", "direction"),
    "buyer_is_maker": ("isbuyermaker", "buyerismaker", "buyermaker"),
    "trade_id": ("tradeid", "id", "tid", "aggtradeid"),
    "sequence": ("sequence", "seq", "updateid", "sequencenumber"),
    "received": ("received", "tsreceived", "dtreceived", "localtimestamp", "receivetime"),
    "flags": ("flags",),
    "bids": ("bids",),
    "asks": ("asks",),
}  # fmt: skip
_STAMP_CARRIED: Final = {
    "barend": "end", "endtime": "end", "end": "end",
    "barstart": "start", "starttime": "start", "start": "start", "opentime": "start",
}  # fmt: skip
_ZONE_SUFFIX: Final = "utc"

# Files without a header: what their columns are when there are just as many, for each kind.
_WITHOUT_HEADER: Final[dict[str, dict[int, tuple[str, ...]]]] = {
    "bar": {
        5: ("time", "open", "high", "low", "close"),
        6: ("time", "open", "high", "low", "close", "volume"),
        7: ("time", "time_of_day", "open", "high", "low", "close", "volume"),
    },
    "trade_tick": {2: ("time", "price"), 3: ("time", "price", "size")},
    "quote_tick": {3: ("time", "bid_price", "ask_price")},
    "depth": {},
}
_NUMBER_OR_TIME: Final = re.compile(r"^[\d\s.,:+\-/TZe]*$", re.IGNORECASE)


class ColumnMapping(msgspec.Struct, frozen=True):
    """Role to position (from 0). zone, stamp: what the header says of times. faults: overrides that cannot be meant."""

    kind: str | None
    positions: dict[str, int]
    stamp: str | None = None
    zone: str | None = None
    faults: tuple[str, ...] = ()

    @property
    def missing_roles(self) -> tuple[str, ...]:
        """Roles that the kind needs and no column has."""
        required = REQUIRED_ROLES[self.kind] if self.kind else ()
        return tuple(role for role in required if role not in self.positions)


def is_header(cells: Sequence[str]) -> bool:
    """True when the first row holds names: a cell that is neither number nor time, or no digit in the whole row."""
    return any(cell.strip() and not _NUMBER_OR_TIME.match(cell.strip()) for cell in cells) and not any(
        re.match(r"^-?\d+([.,]\d+)?$", cell.strip()) for cell in cells
    )


def map_columns(names: Sequence[str], kind: str | None, overrides: Mapping[str, str | int]) -> ColumnMapping:
    """Mapping of a file with a header; the user's overrides first, then the header's names."""
    positions, taken_none, faults = _apply_overrides(names, kind, overrides)
    plain = [_normalise(name) for name in names]
    kind = kind or _recognise_kind(plain, positions)
    if kind is None:
        return ColumnMapping(None, positions, faults=tuple(faults))
    for role in (*REQUIRED_ROLES[kind], *OPTIONAL_ROLES[kind]):
        if role in positions or role in taken_none:
            continue
        found = _find_role(role, plain, set(positions.values()))
        if found is not None:
            positions[role] = found
    if "time_of_day" not in overrides:
        _settle_time_of_day(positions, plain)
    name = plain[positions["time"]] if "time" in positions else ""
    zone = "UTC" if name.endswith(_ZONE_SUFFIX) and name != _ZONE_SUFFIX else None
    return ColumnMapping(kind, positions, _STAMP_CARRIED.get(name.removesuffix(_ZONE_SUFFIX)), zone, tuple(faults))


def map_positions(first_row: Sequence[str], kind: str | None, overrides: Mapping[str, str | int]) -> ColumnMapping:
    """Mapping of a file without a header: the usual order of as many columns, else what the user says by position."""
    positions, taken_none, faults = _apply_overrides((), kind, overrides, count=len(first_row))
    if kind is None:
        return ColumnMapping(None, positions, faults=tuple(faults))
    if not positions:
        usual = _WITHOUT_HEADER[kind].get(len(first_row), ())
        if "time_of_day" in usual and ":" not in first_row[1]:
            usual = ()  # seven columns, but the second is no time of day: nothing says what they are
        positions = {role: place for place, role in enumerate(usual) if role not in taken_none}
    return ColumnMapping(kind, positions, faults=tuple(faults))


def _apply_overrides(
    names: Sequence[str], kind: str | None, overrides: Mapping[str, str | int], count: int | None = None
) -> tuple[dict[str, int], set[str], list[str]]:
    known = {role for roles in (REQUIRED_ROLES, OPTIONAL_ROLES) for entry in roles.values() for role in entry}
    allowed = set(REQUIRED_ROLES[kind] + OPTIONAL_ROLES[kind]) if kind else known
    positions: dict[str, int] = {}
    taken_none: set[str] = set()
    faults = []
    for role, column in overrides.items():
        if role not in allowed:
            faults.append(
                f"role {role!r} is unknown{f' for a {kind}' if kind else ''}; roles: {', '.join(sorted(allowed))}"
            )
        elif column == NOT_MAPPED:
            taken_none.add(role)
        else:
            place = _find_column(names, column, len(names) if count is None else count)
            if place is None:
                listed = ", ".join(names) or f"1 to {count}"
                faults.append(f"column {column!r} given for {role} is not in the file; columns: {listed}")
            elif place in positions.values():
                faults.append(f"column {column!r} is given for two roles; each column has one")
            else:
                positions[role] = place
    return positions, taken_none, faults


def _find_column(names: Sequence[str], column: str | int, count: int) -> int | None:
    if isinstance(column, str):
        if column in names:
            return names.index(column)
        lowered = [name.strip().lower() for name in names]
        if column.strip().lower() in lowered:
            return lowered.index(column.strip().lower())
        if not column.isdecimal():
            return None
        column = int(column)  # a position typed on a command line is text
    return column - 1 if 1 <= column <= count else None


def _find_role(role: str, plain: Sequence[str], taken: set[int]) -> int | None:
    for wanted in _NAMES[role]:
        for place, name in enumerate(plain):
            if place not in taken and name in (wanted, wanted + _ZONE_SUFFIX if role == "time" else wanted):
                return place
    return None


def _settle_time_of_day(positions: dict[str, int], plain: Sequence[str]) -> None:
    """A column "time" is a time of day only beside a column "date"; beside a full time it is nothing we need."""
    if "time" not in positions or not plain[positions["time"]].startswith("date"):
        positions.pop("time_of_day", None)


def _recognise_kind(plain: Sequence[str], positions: Mapping[str, int]) -> str | None:
    for kind, roles in REQUIRED_ROLES.items():
        taken = set(positions.values())
        if all(role in positions or _find_role(role, plain, taken) is not None for role in roles[1:]):
            return kind
    return None


def _normalise(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.strip().lower())
