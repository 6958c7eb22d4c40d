"""Whatever is written, a configuration is read or refused with its mistakes; nothing else ever comes out."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.errors import ConfigError
from tradecore.runtime.config import config_from_tables, load_config, parse_config
from tradecore.runtime.config_mistakes import ConfigMistake
from tradecore.runtime.run_config import RunConfig
from tradecore.runtime.toml_places import KeyPath

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.toml"
TABLES = load_config(QUICKSTART).to_tables()

VALUES = st.recursive(
    st.none().filter(bool)  # TOML has no null
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.text(max_size=8)
    | st.datetimes()
    | st.sampled_from(
        ["IBM.NYSE", "IBM.NYSE 1d last", "sim", "constant", "sqlite:x", "tradecore.strategy.strategy:Strategy"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def list_paths(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += list_paths(inner, (*path, key))
    return found


PATHS = list_paths(TABLES)


def put(tables: dict[str, Any], path: KeyPath, value: Any) -> dict[str, Any]:
    changed = deepcopy(tables)
    node: Any = changed
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return changed


def read(tables: dict[str, Any], overrides: Sequence[str] = ()) -> RunConfig | ConfigError:
    try:
        return config_from_tables(tables, overrides)
    except ConfigError as error:
        return error


@given(st.sampled_from(PATHS), VALUES)
def test_any_value_anywhere_is_taken_or_refused_with_mistakes(path: KeyPath, value: Any) -> None:
    found = read(put(TABLES, path, value))
    if isinstance(found, RunConfig):
        assert config_from_tables(found.to_tables()) == found
        assert isinstance(found.to_dict(), dict)
        return
    assert found.mistakes
    for mistake in found.mistakes:
        assert isinstance(mistake, ConfigMistake)
        assert mistake.help
        assert str(mistake).startswith("error[TC-CFG-")


@given(st.text(max_size=60) | st.text("[]{}=.\"'#\n ab1,", max_size=40))
def test_any_text_is_refused_with_mistakes(text: str) -> None:
    """No such text is a whole configuration, and none of them is a crash."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    assert all(isinstance(mistake, ConfigMistake) for mistake in caught.value.mistakes)


@given(st.text("ab.[]0\"=1{}' \n", max_size=20))
def test_any_override_is_applied_or_refused_by_name(override: str) -> None:
    before = deepcopy(TABLES)
    found = read(TABLES, [override])
    assert isinstance(found, ConfigError)  # no such key is right
    assert any(override in getattr(mistake, "source", "") for mistake in found.mistakes)
    assert before == TABLES  # the caller's tables are the caller's


def test_naive_times_and_nan_are_each_one_mistake() -> None:
    """The generators above are worth something only if what they make can meet the refusals."""
    for path, value in [(("run", "start"), datetime(2000, 1, 1)), (("brokers", "sim", "cash", "USD"), Decimal("NaN"))]:
        found = read(put(TABLES, path, value))
        assert isinstance(found, ConfigError)
        assert len(found.mistakes) == 1
