"""StrategyReference: "package.module:Class" and its params, to a strategy class and checked arguments.

Receives: the path and params of a [[strategies]] table.
Gives:    the class; arguments in the types that its __init__ names; each thing wrong as a StrategyProblem.
Never:    makes a strategy while checking. The code of a strategy is trusted: importing it runs it.
          RELIABILITY "Strategy import": no file paths, no expressions, one name.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import traceback
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from tradecore.domain.bar_type import BarType
from tradecore.engine.user_frames import is_user_frame
from tradecore.errors import ConfigError, InvalidName, StrategyError
from tradecore.runtime.config_scalars import describe
from tradecore.runtime.nearest_name import find_nearest
from tradecore.strategy.strategy import Strategy

_PATH: Final = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")
_OWN_FOLDER: Final = str(Path(__file__).resolve().parent)


class StrategyProblem(NamedTuple):
    """What is wrong with a path or a param. param: its name, or None for the path. kind: "path", "import", "params"."""

    kind: str
    param: str | None
    problem: str
    help: str
    met: str | None = None
    expected: str | None = None
    nearest: str | None = None


def load_strategy_class(path: str) -> type[Strategy] | StrategyProblem:
    """The class that "package.module:Class" names, imported; or why it cannot be had."""
    if not _PATH.match(path):
        return StrategyProblem(
            "path",
            None,
            "not a strategy path",
            'write path = "package.module:Class"; a file strategy.py beside the configuration is "strategy:Class"',
            met=describe(path),
            expected='"package.module:Class"',
        )
    module_name, _, class_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        return _describe_missing_module(module_name, error)
    except Exception as error:  # importing runs foreign code: whatever it raises, the user must see
        return _describe_failed_import(module_name, error)
    found = getattr(module, class_name, None)
    if found is None:
        classes = _strategies_in(module)
        return StrategyProblem(
            "import",
            None,
            f"module {module_name} has no class {class_name}",
            f"its strategies are: {', '.join(classes)}" if classes else f"define class {class_name} in {module_name}",
            nearest=_whole_path(module_name, find_nearest(class_name, classes)),
        )
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        what = f"class {class_name} is no Strategy" if isinstance(found, type) else f"{class_name} is no class"
        return StrategyProblem("import", None, what, f"write class {class_name}(tradecore.Strategy)")
    return found


def create_strategy(path: str, params: Mapping[str, Any]) -> Strategy:
    """The strategy that a [[strategies]] table describes, made with params as `read_params` gave them.

    Raises: ConfigError when the path names no strategy; StrategyError when its __init__ raises.
    """
    strategy = load_strategy_class(path)
    if isinstance(strategy, StrategyProblem):
        raise ConfigError(path, [f"error {strategy.problem}  help: {strategy.help}"])
    try:
        return strategy(**params)
    except Exception as error:  # foreign code: the original is the cause, and its traceback names the user's line
        raise StrategyError(strategy.__name__, "__init__", _user_line(error) or path, error) from error


def read_params(strategy: type[Strategy], params: Mapping[str, Any]) -> tuple[dict[str, Any], list[StrategyProblem]]:
    """Arguments for a strategy's __init__, in the types it names, and everything that is wrong with the params."""
    accepted, takes_any = _parameters_of(strategy)
    hints = _hints_of(strategy)
    problems: list[StrategyProblem] = []
    meant: set[str] = set()
    arguments: dict[str, Any] = {}
    for name, raw in params.items():
        if name not in accepted and not takes_any:
            absent = [known for known in accepted if known not in params]
            nearest = find_nearest(name, absent) or find_nearest(name, accepted)
            meant.update([nearest] if nearest else [])
            listed = ", ".join(accepted) or "none"
            problems.append(
                StrategyProblem(
                    "params",
                    name,
                    f"{strategy.__name__} has no such parameter",
                    f"write {nearest} instead of {name}" if nearest else f"take it out; its parameters are: {listed}",
                    nearest=nearest,
                )
            )
            continue
        try:
            arguments[name] = _convert(raw, hints.get(name))
        except _Mismatch as mismatch:
            help_ = f"write {name} = {mismatch.example}"
            problems.append(
                StrategyProblem("params", name, "wrong type", help_, met=describe(raw), expected=mismatch.expected)
            )
    for name, parameter in accepted.items():
        if parameter.default is parameter.empty and name not in params and name not in meant:
            help_ = f"write params = {{ {name} = ... }}"
            problems.append(StrategyProblem("params", name, f"{strategy.__name__} needs this parameter", help_))
    return arguments, problems


class _Mismatch(Exception):
    def __init__(self, expected: str, example: str) -> None:
        super().__init__(expected)
        self.expected, self.example = expected, example


def _parameters_of(strategy: type[Strategy]) -> tuple[dict[str, inspect.Parameter], bool]:
    """Parameters of __init__ that params may name, and whether it takes any others.

    Not the signature of the class: the base makes its state in __new__, which takes anything.
    """
    if strategy.__init__ is object.__init__:
        return {}, False
    parameters = list(inspect.signature(strategy.__init__).parameters.values())[1:]  # the first one is self
    named = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return named, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _hints_of(strategy: type[Strategy]) -> dict[str, Any]:
    """Types that __init__ names. A name that only a type checker can see leaves its params unchecked."""
    try:
        return typing.get_type_hints(strategy.__init__)
    except (NameError, AttributeError, TypeError):
        return {}


def _convert(raw: Any, wanted: Any) -> Any:
    """The raw TOML value as the annotation wants it. Raises: _Mismatch."""
    origin = typing.get_origin(wanted)
    if origin in (typing.Union, types.UnionType):
        return _convert_to_any(raw, [option for option in typing.get_args(wanted) if option is not type(None)])
    if origin is typing.Literal:
        words = typing.get_args(wanted)
        if raw not in words:
            raise _Mismatch("one of " + ", ".join(map(repr, words)), repr(words[0]).replace("'", '"'))
        return raw
    if origin in (list, tuple) or wanted in (list, tuple):
        return _convert_items(raw, typing.get_args(wanted), list if list in (origin, wanted) else tuple)
    convert = _CONVERSIONS.get(wanted)
    return raw if convert is None else convert(raw)


def _convert_to_any(raw: Any, options: list[Any]) -> Any:
    first: _Mismatch | None = None
    for option in options:
        try:
            return _convert(raw, option)
        except _Mismatch as mismatch:
            first = first or mismatch
    assert first is not None
    raise first


def _convert_items(raw: Any, kinds: tuple[Any, ...], make: type[list[Any] | tuple[Any, ...]]) -> Any:
    if not isinstance(raw, list | tuple):
        raise _Mismatch("a list", "[1, 2]")
    if not kinds:
        return make(raw)
    if make is tuple and Ellipsis not in kinds:
        if len(kinds) != len(raw):
            raise _Mismatch(f"a list of {len(kinds)}", "[" + ", ".join(["..."] * len(kinds)) + "]")
        return tuple(_convert(item, kind) for item, kind in zip(raw, kinds, strict=True))
    return make(_convert(item, kinds[0]) for item in raw)


def _to_int(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
        raise _Mismatch("a whole number", "10")
    if not Decimal(raw).is_finite():
        return 0  # never used: config_strategies.py has noted that this is no number to compute with
    if raw != int(raw):
        raise _Mismatch("a whole number", "10")
    return int(raw)


def _to_float(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        raise _Mismatch("a number", "2.5")
    return float(raw)


def _to_decimal(raw: Any) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
        raise _Mismatch("a number", "0.01")
    return Decimal(raw)


def _to_str(raw: Any) -> str:
    if not isinstance(raw, str):
        raise _Mismatch("a text in quotes", '"text"')
    return raw


def _to_bool(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise _Mismatch("true or false", "true")
    return raw


def _to_bar_type(raw: Any) -> BarType:
    try:
        return BarType.parse(raw)
    except (InvalidName, AttributeError) as error:
        raise _Mismatch("a bar type", '"IBM.NYSE 1d last"') from error


def _to_datetime(raw: Any) -> datetime:
    if not isinstance(raw, datetime) or raw.utcoffset() is None:
        raise _Mismatch("a date and time with Z or an offset", "2000-03-01T00:00:00Z")
    return raw.astimezone(UTC)


_CONVERSIONS: Final[dict[Any, Any]] = {
    int: _to_int,
    float: _to_float,
    Decimal: _to_decimal,
    str: _to_str,
    bool: _to_bool,
    BarType: _to_bar_type,
    datetime: _to_datetime,
}


def _describe_missing_module(module_name: str, error: ModuleNotFoundError) -> StrategyProblem:
    missing = error.name or module_name
    if module_name != missing and not module_name.startswith(missing + "."):
        return StrategyProblem(
            "import",
            None,
            f"importing {module_name} failed: it needs the module {missing}, which is not installed",
            f"install {missing}, or correct the import {_user_line(error) or ''}".rstrip(),
        )
    return StrategyProblem(
        "import",
        None,
        f"there is no module {missing}",
        "name a module beside the configuration, in the current folder, or installed; "
        "`tradecore init my-strategy` writes one",
        nearest=_nearest_module(missing),
    )


def _describe_failed_import(module_name: str, error: Exception) -> StrategyProblem:
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
        return StrategyProblem(
            "import", None, f"{module_name} is not Python: {error.msg} ({place})", f"correct {place}"
        )
    place = _user_line(error) or module_name
    problem = f"importing {module_name} failed: {type(error).__name__}: {error}"
    return StrategyProblem("import", None, problem, f"correct {place}")


def _user_line(error: BaseException) -> str | None:
    """file:line of the innermost frame of the user's own (or an example's), else of any outside this file."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and not frame.filename.startswith(_OWN_FOLDER)
    ]
    shown = [frame for frame in frames if is_user_frame(frame.filename)] or frames
    return f"{shown[-1].filename}:{shown[-1].lineno}" if shown else None


def _nearest_module(missing: str) -> str | None:
    """A module that is there, of nearly this name, in the same package (or beside the configuration)."""
    package, _, last = missing.rpartition(".")
    try:
        where = list(importlib.import_module(package).__path__) if package else None
    except (ImportError, AttributeError):
        return None
    names = [module.name for module in pkgutil.iter_modules(where)]
    nearest = find_nearest(last, names)
    return f"{package}.{nearest}" if nearest and package else nearest


def _strategies_in(module: types.ModuleType) -> list[str]:
    return sorted(
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy
    )


def _whole_path(module_name: str, class_name: str | None) -> str | None:
    return f"{module_name}:{class_name}" if class_name else None
