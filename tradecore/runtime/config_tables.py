"""TableReader: TOML tables to frozen structs, with every mistake noted and none raised.

Receives: plain tables, and the struct type that says which keys, types, words and ranges are right.
Gives:    the struct, or BAD where a mistake stands in the way; mistakes go to the MistakeLog.
Never:    compares one table with another (config_checks.py does).    DESIGN 13.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from tradecore.errors import InvalidName, InvalidTime
from tradecore.runtime.config_limits import CHECKS, RANGES, WORDS, NumberRange
from tradecore.runtime.config_mistakes import BAD_NAME, MISSING_KEY, UNKNOWN_KEY, MistakeLog
from tradecore.runtime.config_scalars import ARTICLES, BAD, EXAMPLES, ScalarReader
from tradecore.runtime.nearest_name import find_nearest
from tradecore.runtime.toml_places import KeyPath


class TableReader(ScalarReader):
    """Reads tables by type, noting mistakes in the log.

    good: every value that was read without a mistake, by its key path, so that what is compared later can be compared
    even where its neighbours are wrong.
    """

    def __init__(self, log: MistakeLog) -> None:
        super().__init__(log)
        self.good: dict[KeyPath, Any] = {}

    def read_struct(self, raw: Any, struct: type[Any], path: KeyPath, *, also: Iterable[str] = ()) -> Any:
        """A struct of this type, or BAD where a value of it is. also: keys that the caller reads itself.

        An unknown key is noted and does not stand in the way.
        """
        if not isinstance(raw, dict):
            first = msgspec.structs.fields(struct)[0].encode_name
            self.add_wrong_type(raw, "table", path, example=f"{{ {first} = ... }}")
            return BAD
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        tag_field = struct.__struct_config__.tag_field
        right_keys = [*fields, *also, *([tag_field] if tag_field else [])]
        mistyped_for = self._note_unknown_keys(raw, right_keys, path)
        values: dict[str, Any] = {}
        is_good = True
        for name, field in fields.items():
            if name in raw:
                values[name] = self._read_field(raw[name], struct, field, path)
                is_good = is_good and values[name] is not BAD
            elif field.required:
                is_good = False
                if name not in mistyped_for:
                    self._add_missing(name, field.type, path)
        if not is_good:
            return BAD
        self.good[path] = struct(**values)
        return self.good[path]

    def _read_field(self, raw: Any, struct: type[Any], field: Any, path: KeyPath) -> Any:
        at, place = (struct, field.encode_name), (*path, field.encode_name)
        check, right = CHECKS.get(at, (None, ""))
        if check is not None and not isinstance(raw, str):
            self.add_wrong_type(raw, "str", place, example=right)
            return BAD
        value = self.read_value(raw, field.type, place, RANGES.get(at), WORDS.get(at))
        if check is None or value is BAD:
            return value
        try:
            check(value)
        except (InvalidName, InvalidTime) as error:
            del self.good[place]
            self.log.add(BAD_NAME, place, str(error), help_=f"write {field.encode_name} = {right}")
            return BAD
        return value

    def read_value(
        self,
        raw: Any,
        wanted: Any,
        path: KeyPath,
        number_range: NumberRange | None = None,
        words: tuple[str, ...] | None = None,
    ) -> Any:
        """A value of the wanted type, or BAD. number_range, words: of the value, or of the values of a dict or list."""
        value = self._read_any(raw, wanted, path, number_range, words)
        if value is not BAD:
            self.good[path] = value
        return value

    def _read_any(
        self, raw: Any, wanted: Any, path: KeyPath, number_range: NumberRange | None, words: tuple[str, ...] | None
    ) -> Any:
        origin = typing.get_origin(wanted)
        if origin is Literal:
            return self.read_word(raw, typing.get_args(wanted), path)
        if origin in (typing.Union, types.UnionType):
            return self._read_union(raw, typing.get_args(wanted), path, number_range, words)
        if origin is dict:
            return self._read_dict(raw, typing.get_args(wanted)[1], path, number_range, words)
        if origin in (tuple, list):
            return self._read_list(raw, typing.get_args(wanted)[0], origin, path)
        if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            return self.read_struct(raw, wanted, path)
        if wanted is str and words is not None:
            return self.read_word(raw, words, path)
        return self.read_scalar(raw, wanted, path, number_range)

    # ------------------------------------------------------------------------------------------------------- tables

    def _read_union(
        self,
        raw: Any,
        options: tuple[Any, ...],
        path: KeyPath,
        number_range: NumberRange | None,
        words: tuple[str, ...] | None,
    ) -> Any:
        structs = [option for option in options if hasattr(option, "__struct_config__")]
        tagged = {struct.__struct_config__.tag: struct for struct in structs if struct.__struct_config__.tag}
        if tagged:
            return self._read_tagged(raw, tagged, path)
        (single,) = (option for option in options if option is not type(None))  # X | None: TOML has no null
        return self.read_value(raw, single, path, number_range, words)

    def _read_tagged(self, raw: Any, tagged: dict[str, Any], path: KeyPath) -> Any:
        """One of several structs, told apart by `type`."""
        if not isinstance(raw, dict):
            self.add_wrong_type(raw, "table", path, example=f'{{ type = "{next(iter(tagged))}", ... }}')
            return BAD
        if "type" in raw:
            word = self.read_word(raw["type"], tuple(tagged), (*path, "type"))
            return BAD if word is BAD else self.read_struct(raw, tagged[word], path)
        every_key = {field.encode_name for option in tagged.values() for field in msgspec.structs.fields(option)}
        if "type" not in self._note_unknown_keys(raw, ["type", *sorted(every_key)], path):
            listed = ", ".join(f'"{word}"' for word in tagged)
            self.log.add(
                MISSING_KEY,
                (*path, "type"),
                "this key is missing",
                expected=f"one of {listed}",
                help_=f'write type = "{next(iter(tagged))}" inside {path[-1]}',
            )
        return BAD

    def _read_dict(
        self,
        raw: Any,
        wanted: Any,
        path: KeyPath,
        number_range: NumberRange | None,
        words: tuple[str, ...] | None,
    ) -> Any:
        if not isinstance(raw, dict):
            self.add_wrong_type(raw, "table", path, example="{ USD = 100000 }" if path[-1] == "cash" else None)
            return BAD
        read = {key: self.read_value(value, wanted, (*path, key), number_range, words) for key, value in raw.items()}
        return BAD if BAD in read.values() else read

    def _read_list(self, raw: Any, wanted: Any, make: Any, path: KeyPath) -> Any:
        if not isinstance(raw, list):
            self.add_wrong_type(raw, "list", path)
            return BAD
        read = [self.read_value(value, wanted, (*path, index)) for index, value in enumerate(raw)]
        return BAD if BAD in read else make(read)

    # ----------------------------------------------------------------------------------------------------- mistakes

    def _note_unknown_keys(self, raw: dict[str, Any], right_keys: Iterable[str], path: KeyPath) -> set[str]:
        """Note each unknown key; the right names that they most likely stand for."""
        absent = [key for key in right_keys if key not in raw]
        meant: set[str] = set()
        for key in raw:
            if key in right_keys:
                continue
            nearest = find_nearest(key, absent) or find_nearest(key, right_keys)
            if nearest:
                meant.add(nearest)
            self.log.add(
                UNKNOWN_KEY,
                (*path, key),
                "unknown key",
                nearest=nearest,
                help_=f"write {nearest} instead of {key}"
                if nearest
                else f"take it out; known here: {', '.join(right_keys)}",
            )
        return meant

    def _add_missing(self, name: str, wanted: Any, path: KeyPath) -> None:
        where = f"below [{path[0]}]" if path and len(path) == 1 else "in this table"
        self.log.add(
            MISSING_KEY,
            (*path, name),
            "this key is missing",
            expected=_describe_type(wanted),
            help_=f"write {name} = {_example_of(wanted)} {where}",
        )


def _describe_type(wanted: Any) -> str:
    origin = typing.get_origin(wanted)
    if origin is Literal:
        return "one of " + ", ".join(f'"{word}"' for word in typing.get_args(wanted))
    return ARTICLES[_kind_of(wanted)]


def _example_of(wanted: Any) -> str:
    if typing.get_origin(wanted) is Literal:
        return f'"{typing.get_args(wanted)[0]}"'
    return EXAMPLES[_kind_of(wanted)]


def _kind_of(wanted: Any) -> str:
    origin = typing.get_origin(wanted)
    if origin in (list, tuple):
        return "list"
    name = getattr(wanted, "__name__", "")
    return name if name in EXAMPLES else "table"
