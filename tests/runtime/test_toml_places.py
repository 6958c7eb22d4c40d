"""Places of keys: a mistake that names the wrong line is worse than one that names none."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.runtime.toml_places import KeyPath, Place, find_toml_places, format_key_path


def test_a_key_below_a_table_header_is_found_at_its_line_and_column() -> None:
    text = "[run]\nname = 'x'\n  seed = 7\n"
    assert find_toml_places(text).keys == {
        ("run",): Place(1, 2),
        ("run", "name"): Place(2, 1),
        ("run", "seed"): Place(3, 3),
    }


def test_each_table_of_an_array_of_tables_has_its_own_places() -> None:
    keys = find_toml_places("[[s]]\na = 1\n\n[[s]]\na = 2\n[s.p]\nb = 3\n").keys
    assert keys["s", 0, "a"] == Place(2, 1)
    assert keys["s", 1] == Place(4, 3)
    assert keys["s", 1, "a"] == Place(5, 1)
    assert keys["s", 1, "p", "b"] == Place(7, 1)  # [s.p] belongs to the last [[s]]


def test_inline_tables_dotted_and_quoted_keys_are_found() -> None:
    keys = find_toml_places('a.b = { c = 1, "d e" = { f = [1, { g = 2 }] } }\n').keys
    assert keys["a",] == Place(1, 1)
    assert keys["a", "b"] == Place(1, 3)
    assert keys["a", "b", "c"] == Place(1, 9)
    assert keys["a", "b", "d e", "f", 1, "g"] == Place(1, 36)


def test_signs_inside_strings_and_comments_are_no_keys() -> None:
    text = 'a = \'\'\'\nb = 1 # [c]\n\'\'\' # d = 2\ne = """x\\"""""\nf = \'#\'\ng = "a\\"b" # h = 3\ni = 1\n'
    places = find_toml_places(text)
    assert set(places.keys) == {(key,) for key in tomllib.loads(text)}
    assert places.keys["i",] == Place(7, 1)


def test_windows_line_ends_count_as_one_line() -> None:
    assert find_toml_places("a = 1\r\n\r\nb = 2\r\n").keys["b",] == Place(3, 1)


def test_an_array_over_several_lines_gives_each_element_its_line() -> None:
    keys = find_toml_places("a = [\n  1, # one\n  [2,\n3],\n]\nb = 1").keys
    assert keys["a", 0] == Place(2, 3)
    assert keys["a", 1, 1] == Place(4, 1)
    assert keys["b",] == Place(6, 1)


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("a = 1\nb = 2\na = 3\n", ("a",), Place(3, 1)),
        ("[t]\nx = 1\n[u]\n[t]\n", ("t",), Place(4, 2)),
        ("t = { x = 1, x = 2 }", ("t", "x"), Place(1, 14)),
    ],
)
def test_a_key_that_stands_there_twice_is_found_at_its_second_place(text: str, path: KeyPath, place: Place) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)
    found = find_toml_places(text)
    assert (found.first_duplicate, found.duplicate_place) == (path, place)


def test_a_quoted_key_that_holds_what_none_may_ends_the_scan() -> None:
    """tomllib refuses the text as well, and its words are the ones to show."""
    assert find_toml_places("a = 1\n'\x1f' = 2").keys == {("a",): Place(1, 1)}


@pytest.mark.parametrize(
    "text", ["", "\n\n", "[", "[a", "a", "a =", 'a = "', "a = [1", "a = {b", "= 1", "a = '''x", "]"]
)
def test_a_broken_text_is_scanned_to_where_it_breaks(text: str) -> None:
    assert all(place.line >= 1 for place in find_toml_places(text).keys.values())


def test_a_key_path_is_written_as_a_user_would() -> None:
    assert format_key_path(("strategies", 0, "params", "fast")) == "strategies[0].params.fast"
    assert format_key_path(("match_on", "IBM.NYSE")) == 'match_on."IBM.NYSE"'


# --- the law: every key of a document has a place, and its name stands there -------------------------------------

NAMES = st.text("abcxyz019_-", min_size=1, max_size=4) | st.text("a.\" '#=[]{}é\\", min_size=0, max_size=4)
SCALARS = (
    st.integers(-99, 99)
    | st.booleans()
    | st.text("ab\"'#=[]{},.\\\n", max_size=6)
    | st.sampled_from([1.5, float("inf")])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def write_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def write_key(name: str) -> str:
    is_bare = bool(name) and all(c.isascii() and (c.isalnum() or c in "_-") for c in name)
    return name if is_bare else write_string(name)


def write_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return write_string(value)
    if isinstance(value, list):
        return "[ " + ",\n ".join(map(write_value, value)) + " ]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{write_key(k)} = {write_value(v)}" for k, v in value.items()) + " }"
    return repr(value)


def write_document(tables: dict[str, Any]) -> str:
    lines = [f"{write_key(k)} = {write_value(v)}" for k, v in tables.items() if not isinstance(v, dict)]
    for name, table in tables.items():
        if isinstance(table, dict):
            lines.append(f"\n[ {write_key(name)} ] # a [comment] = here")
            lines.extend(f"  {write_key(k)}  =  {write_value(v)}" for k, v in table.items())
    return "\n".join(lines)


def list_paths(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += list_paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += list_paths(inner, (*path, index))
    return found


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_every_key_of_any_document_has_a_place_and_its_name_stands_there(tables: dict[str, Any]) -> None:
    text = write_document(tables)
    assert tomllib.loads(text) == tables
    places = find_toml_places(text)
    assert set(places.keys) == set(list_paths(tables))
    assert places.first_duplicate is None
    lines = text.split("\n")
    for path, place in places.keys.items():
        if isinstance(path[-1], str):
            assert lines[place.line - 1][place.column - 1 :].startswith(write_key(path[-1]))
