"""TomlPlaces: the line and column of every key of a TOML text.

Receives: the text of a TOML document that tomllib has read (a broken one gives the places up to where it breaks).
Gives:    for each key path, such as ("strategies", 0, "params", "fast"), where its key stands, counted from 1; and
          the first key that stands there twice.
Never:    decides whether a document is valid: tomllib does. Never reads values, only steps over them.
          RELIABILITY 47: a mistake names its line.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from contextlib import suppress
from typing import Final, NamedTuple

KeyPath = tuple[str | int, ...]
"""Names of tables and keys, and the index within an array."""


class Place(NamedTuple):
    """Line and column in a text, both counted from 1."""

    line: int
    column: int


class TomlPlaces(NamedTuple):
    """Where each key stands; first_duplicate is the key that tomllib would refuse, if one stands there twice."""

    keys: dict[KeyPath, Place]
    first_duplicate: KeyPath | None
    duplicate_place: Place | None


def find_toml_places(text: str) -> TomlPlaces:
    """Places of all keys of a TOML text, and of every element of an array.

    An element of an array has the place of its value; `[[name]]` is the place of ("name", index), and the first one
    that of ("name",) as well.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    # The text breaks off, or a quoted key holds what none may: what was found so far is right, tomllib complains.
    with suppress(IndexError, tomllib.TOMLDecodeError):
        scanner.scan_document()
    return TomlPlaces(scanner.keys, scanner.first_duplicate, scanner.duplicate_place)


def format_key_path(path: KeyPath) -> str:
    """Written as a user would: strategies[0].params.fast; odd names are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = bool(part) and all(c in _BARE for c in part)
            text += ("." if text else "") + (part if bare else '"' + part.replace('"', '\\"') + '"')
    return text


def format_last_key(path: KeyPath) -> str:
    """The key at its place, as a user would write it there: price, "IBM.NYSE"; "it" for an element of a list."""
    return "it" if not path or isinstance(path[-1], int) else format_key_path(path[-1:])


_BARE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_BLANK: Final = frozenset(" \t")
_END_OF_VALUE: Final = frozenset(",]}#\n")


class _Scanner:
    def __init__(self, text: str) -> None:
        self.keys: dict[KeyPath, Place] = {}
        self.first_duplicate: KeyPath | None = None
        self.duplicate_place: Place | None = None
        self._text = text
        self._at = 0
        self._line_starts = [0, *(i + 1 for i, c in enumerate(text) if c == "\n")]
        self._array_counts: dict[KeyPath, int] = {}
        self._written: set[KeyPath] = set()  # keys with a value, and headers of tables: those may not come again

    def scan_document(self) -> None:
        prefix: KeyPath = ()
        while True:
            self._skip_blank_lines()
            if self._at >= len(self._text):
                return
            if self._text.startswith("[", self._at):
                prefix = self._scan_header()
            else:
                self._scan_key_value(prefix)

    # ------------------------------------------------------------------------------------------------ tables, keys

    def _scan_header(self) -> KeyPath:
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        parts = self._scan_key()
        self._at += 2 if is_array else 1
        path: KeyPath = ()
        for number, (name, place) in enumerate(parts, 1):
            path = (*path, name)
            self.keys.setdefault(path, place)
            if is_array and number == len(parts):
                count = self._array_counts.get(path, 0)
                self._array_counts[path] = count + 1
                path = (*path, count)
                self.keys[path] = place
            elif path in self._array_counts:
                path = (*path, self._array_counts[path] - 1)
        self._note_written(path, parts[-1][1])
        self.keys[path] = parts[-1][1]
        return path

    def _scan_key_value(self, prefix: KeyPath) -> None:
        parts = self._scan_key()
        path = prefix
        for name, place in parts:
            path = (*path, name)
            self.keys.setdefault(path, place)
        self._note_written(path, parts[-1][1])
        self._skip_blanks()
        if self._text[self._at] != "=":
            raise IndexError
        self._at += 1
        self._skip_blanks()
        self._scan_value(path)

    def _note_written(self, path: KeyPath, place: Place) -> None:
        if path in self._written and self.first_duplicate is None:
            self.first_duplicate, self.duplicate_place = path, place
        self._written.add(path)

    def _scan_key(self) -> list[tuple[str, Place]]:
        parts: list[tuple[str, Place]] = []
        while True:
            self._skip_blanks()
            start = self._at
            if self._text[start] in "\"'":
                self._skip_string()
                name = tomllib.loads(f"key = {self._text[start : self._at]}")["key"]
            else:
                while self._at < len(self._text) and self._text[self._at] in _BARE:
                    self._at += 1
                name = self._text[start : self._at]
            if start == self._at:
                raise IndexError
            parts.append((name, self._place(start)))
            self._skip_blanks()
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    # ------------------------------------------------------------------------------------------------------ values

    def _scan_value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._skip_string()
        elif first == "[":
            self._scan_array(path)
        elif first == "{":
            self._scan_inline_table(path)
        else:
            while self._at < len(self._text) and self._text[self._at] not in _END_OF_VALUE:
                self._at += 1

    def _scan_array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip_blank_lines(also=",")
            if self._text[self._at] == "]":
                self._at += 1
                return
            self.keys[(*path, index)] = self._place(self._at)
            before = self._at
            self._scan_value((*path, index))
            if self._at == before:
                raise IndexError
            index += 1

    def _scan_inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while True:
            self._skip_blank_lines(also=",")
            if self._text[self._at] == "}":
                self._at += 1
                return
            self._scan_key_value(path)

    def _skip_string(self) -> None:
        quote = self._text[self._at]
        if self._text.startswith(quote * 3, self._at):
            self._at += 3
            while not self._text.startswith(quote * 3, self._at):
                self._at += 2 if quote == '"' and self._text[self._at] == "\\" else 1
                if self._at >= len(self._text):
                    raise IndexError
            while self._text.startswith(quote * 4, self._at):
                self._at += 1  # quotes that belong to the string stand before the closing three
            self._at += 3
            return
        self._at += 1
        while self._text[self._at] != quote:
            self._at += 2 if quote == '"' and self._text[self._at] == "\\" else 1
        self._at += 1

    # ------------------------------------------------------------------------------------------------------ places

    def _skip_blanks(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in _BLANK:
            self._at += 1

    def _skip_blank_lines(self, also: str = "") -> None:
        while self._at < len(self._text):
            c = self._text[self._at]
            if c == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif c in " \t\n" or (also and c in also):
                self._at += 1
            else:
                return

    def _place(self, offset: int) -> Place:
        line = bisect_right(self._line_starts, offset)
        return Place(line, offset - self._line_starts[line - 1] + 1)
