"""ConfigSource: the tables a configuration was written as, and where each key was written.

Receives: a TOML file, or tables made in code; overrides as typed after --set.
Gives:    plain tables (numbers with a point as Decimal), and for each key path the file, line and column, or the
          --set that gave it.
Never:    knows which keys are right (config_tables.py does).    DESIGN 13; RELIABILITY 47.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from tradecore.runtime.toml_places import KeyPath, Place, find_toml_places

FILE_BYTES_MAX: Final = 1_000_000
"""A configuration is a page or two; anything of this size is another file given by mistake."""

_AT_LINE: Final = re.compile(r"\(at line (?P<line>\d+), column (?P<column>\d+)\)")
_OVERRIDE_PART: Final = re.compile(r"\[(?P<index>\d+)\]|(?:^|\.)(?:(?P<bare>[A-Za-z0-9_-]+)|\"(?P<quoted>[^\"]*)\")")


class SourceProblem(NamedTuple):
    """Why a source cannot be read at all, or an override not be applied. kind: "unreadable", "syntax", "override"."""

    kind: str
    place: Place | None
    problem: str
    help: str
    source: str
    key: KeyPath = ()


class ConfigSource:
    """Tables and their places. `name` is what mistakes call it: the path as typed, or "the configuration in code"."""

    def __init__(self, name: str, tables: dict[str, Any], places: dict[KeyPath, Place], folder: Path | None) -> None:
        self.name, self.tables, self.folder = name, tables, folder
        self._places = places
        self._overridden: dict[KeyPath, str] = {}

    def locate(self, path: KeyPath) -> tuple[str, Place | None]:
        """Name and place of a key: its own, or of the nearest table around it that was written."""
        for length in range(len(path), -1, -1):
            part = path[:length]
            if part in self._overridden:
                return self._overridden[part], None
            if part in self._places:
                return self.name, self._places[part]
            if length == len(path):
                for written, label in self._overridden.items():
                    if written[:length] == path:  # a table that an override made by naming a key inside it
                        return label, None
        return self.name, Place(1, 1) if self._places else None

    def override(self, text: str) -> SourceProblem | None:
        """Apply "a.b=c", "list.0.b=c" or "list[0].b=c"; the problem if it cannot be, and then nothing is changed."""
        label = f"--set {text}"
        key, equals, written = text.partition("=")
        path = parse_override_key(key.strip())
        if not equals or not path:
            return SourceProblem("override", None, "expected KEY=VALUE", "type --set run.seed=8", label)
        holder, real_path, problem = self._find_holder(path, label)
        if problem is not None:
            return problem
        holder[real_path[-1]] = _parse_override_value(written.strip())
        for known in [known for known in self._places if known[: len(real_path)] == real_path]:
            del self._places[known]  # what the file said at and below this key is gone
        self._overridden[real_path] = label
        return None

    def _find_holder(self, path: KeyPath, label: str) -> tuple[Any, KeyPath, SourceProblem | None]:
        """The table or list that holds the last part, and the path with list positions as ints."""
        node: Any = self.tables
        done: KeyPath = ()
        for depth, part in enumerate(path):
            if isinstance(node, list):
                index = _to_index(part)
                if index is None or index >= len(node):
                    count = f"{len(node)} entr{'y' if len(node) == 1 else 'ies'}"
                    text = f"there is no entry {part}; the list has {count}, counted from 0"
                    help_ = "type an index that is there"
                    return None, done, SourceProblem("override", None, text, help_, label, done)
                done = (*done, index)
            elif isinstance(node, dict):
                done = (*done, str(part))
            else:
                text = f"this is a value, not a table, so it has no {str(part)!r} inside"
                help_ = "leave out the last part of the key, or give the whole table"
                return None, done, SourceProblem("override", None, text, help_, label, done)
            if depth == len(path) - 1:
                return node, done, None
            # A table that is not there yet is made; from there on nothing can be wrong, so nothing is left half done.
            node = node.setdefault(done[-1], {}) if isinstance(node, dict) else node[done[-1]]
        raise AssertionError("an override key has at least one part")


def read_config_source(path: Path, shown: str) -> ConfigSource | SourceProblem:
    """Read and parse a TOML file. shown: the path as the user typed it, for messages."""
    try:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            text = f"the file has {size:,} bytes; a configuration has at most {FILE_BYTES_MAX:,}"
            return SourceProblem("unreadable", None, text, "name a TOML configuration, not a data file", shown)
        raw = path.read_bytes()
    except OSError as error:
        return SourceProblem("unreadable", None, _describe_os_error(error), _suggest_file(path), shown)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        problem = f"byte {raw[error.start]:#04x} is not UTF-8"
        return SourceProblem("syntax", Place(line, 1), problem, "save the file as UTF-8", shown)
    return parse_config_text(text, shown, path.parent)


def parse_config_text(text: str, shown: str, folder: Path | None) -> ConfigSource | SourceProblem:
    """Parse a TOML text; a syntax error names its line."""
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        return _describe_syntax_error(error, text, shown)
    except (ValueError, ArithmeticError, RecursionError) as error:  # an int of thousands of digits; nesting without end
        return SourceProblem("syntax", None, str(error) or type(error).__name__, "write a plain value", shown)
    return ConfigSource(shown, tables, dict(find_toml_places(text).keys), folder)


def _describe_syntax_error(error: tomllib.TOMLDecodeError, text: str, shown: str) -> SourceProblem:
    message = str(error)
    places = find_toml_places(text)
    if places.first_duplicate is not None and ("overwrite" in message or "twice" in message):
        return SourceProblem(
            "syntax",
            places.duplicate_place,
            "this key stands here for the second time",
            "keep one of the two",
            shown,
            places.first_duplicate,
        )
    match = _AT_LINE.search(message)
    if match:
        place = Place(int(match["line"]), int(match["column"]))
        message = message[: match.start()].rstrip()
    else:
        place = Place(text.count("\n") + 1, 1)
    help_ = 'correct this line; text needs quotes ("..."), numbers and true/false do not'
    return SourceProblem("syntax", place, f"not TOML: {message}", help_, shown)


def parse_override_key(key: str) -> KeyPath:
    """Parts of "a.b", "a.0.b", "a[0].b" or 'a."b.c"'; empty when it cannot be read."""
    return tuple(_split_override_key(key)) if _is_whole(key) else ()


def _split_override_key(key: str) -> Iterator[str | int]:
    for match in _OVERRIDE_PART.finditer(key):
        if match["index"] is not None:
            yield int(match["index"])
        elif match["quoted"] is not None:
            yield match["quoted"]
        else:
            yield match["bare"]


def _is_whole(key: str) -> bool:
    at = 0
    for match in _OVERRIDE_PART.finditer(key):
        if match.start() != at:
            return False
        at = match.end()
    return bool(key) and at == len(key)


def _parse_override_value(written: str) -> object:
    """The TOML value that the text is; else the text itself, so that words need no quotes."""
    try:
        parsed = tomllib.loads(f"value = {written}", parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return written
    return parsed["value"] if len(parsed) == 1 else written


def _to_index(part: str | int) -> int | None:
    if isinstance(part, int):
        return part
    return int(part) if part.isascii() and part.isdigit() else None


def _describe_os_error(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _suggest_file(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    try:
        nearby: Sequence[Path] = sorted(folder.glob("*.toml"))
    except OSError:
        nearby = ()
    if nearby:
        return f"there is {', '.join(str(p) for p in nearby[:5])}"
    return "name a configuration file; `tradecore init my-strategy` makes one"
