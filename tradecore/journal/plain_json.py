"""Plain JSON: our values as JSON text, the same bytes for the same content.

Receives: dictionaries, lists, numbers, texts, and our own: Decimal, enum, struct, datetime, path.
Gives:    JSON with floats as repr writes them, Decimals as strings, enums by name.
Never:    writes NaN or infinities, or guesses at a type it does not know.    DESIGN 11.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any

import msgspec

from tradecore.errors import RunFolderError


def to_json_text(value: Any, *, sort_keys: bool = False, indent: int | None = None) -> str:
    """JSON text of a value. Raises: RunFolderError for a type that has no form here, or a float that is not finite."""
    try:
        return json.dumps(
            value, default=_to_plain, sort_keys=sort_keys, indent=indent, ensure_ascii=False, allow_nan=False
        )
    except ValueError as error:
        raise RunFolderError(f"a result cannot be written as JSON: {error}; expected finite numbers") from error


def _to_plain(value: Any) -> Any:
    if isinstance(value, Decimal | PurePath):
        return str(value) if isinstance(value, Decimal) else value.as_posix()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    raise RunFolderError(
        f"a result holds {value!r} of type {type(value).__name__}, which has no form in JSON; "
        "expected numbers, texts, lists, dictionaries, Decimals, enums, structs, datetimes or paths"
    )
