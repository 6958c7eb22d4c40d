"""recorded_config: a configuration as JSON from which the very same one can be made again.

Receives: a RunConfig; or the JSON.
Gives:    JSON in which Decimals and times say that they are; the RunConfig, checked as a file is.
Never:    guesses: run.json shows a configuration to people, where a price and a text look alike.    Issue 4, item 5.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tradecore.runtime.config import config_from_tables
from tradecore.runtime.run_config import RunConfig

_DECIMAL: Final = "$decimal"
_TIME: Final = "$time"


def encode_config(config: RunConfig) -> dict[str, Any]:
    """Tables and folder of a configuration, in JSON's types."""
    return {
        "tables": _encode(config.to_tables()),
        "folder": None if config.folder is None else str(config.folder.resolve()),
    }


def decode_config(encoded: dict[str, Any]) -> RunConfig:
    """The configuration. Raises: ConfigError where it does not fit any more (a strategy that has changed)."""
    folder = encoded.get("folder")
    return config_from_tables(_decode(encoded["tables"]), folder=None if folder is None else Path(folder))


def _encode(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _encode(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(inner) for inner in value]
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    return {_TIME: value.isoformat()} if isinstance(value, datetime) else value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {_DECIMAL}:
        return Decimal(value[_DECIMAL])
    if set(value) == {_TIME}:
        return datetime.fromisoformat(value[_TIME])
    return {key: _decode(inner) for key, inner in value.items()}
