"""Strategy paths and params: what a class accepts, and what is said when it does not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

import tradecore as tc
from tradecore.errors import ConfigError, StrategyError
from tradecore.runtime.strategy_reference import (
    StrategyProblem,
    create_strategy,
    load_strategy_class,
    read_params,
)


class Typed(tc.Strategy):
    def __init__(
        self,
        bar_type: tc.BarType,
        count: int = 1,
        rate: float = 0.5,
        size: Decimal | None = None,
        mode: Literal["fast", "slow"] = "fast",
        names: list[str] | None = None,
        pair: tuple[int, int] = (1, 2),
        until: datetime | None = None,
        anything: Any = None,
    ) -> None: ...


class Bare(tc.Strategy):
    pass


class Open(tc.Strategy):
    def __init__(self, **settings: Any) -> None:
        self.settings = settings


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Writes a module that can be imported for the time of the test."""
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def write(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code)
        written.append(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


def find_problem(path: str) -> StrategyProblem:
    found = load_strategy_class(path)
    assert isinstance(found, StrategyProblem)
    return found


def test_params_arrive_in_the_types_that_the_class_names() -> None:
    arguments, problems = read_params(
        Typed,
        {
            "bar_type": "IBM.NYSE 1d last",
            "count": Decimal("3.0"),
            "rate": 2,
            "size": 100,
            "mode": "slow",
            "names": ["a"],
            "pair": [3, 4],
            "until": datetime(2000, 1, 1, tzinfo=UTC),
            "anything": {"x": 1},
        },
    )
    assert problems == []
    assert arguments == {
        "bar_type": tc.BarType.parse("IBM.NYSE 1d last"),
        "count": 3,
        "rate": 2.0,
        "size": Decimal(100),
        "mode": "slow",
        "names": ["a"],
        "pair": (3, 4),
        "until": datetime(2000, 1, 1, tzinfo=UTC),
        "anything": {"x": 1},
    }
    assert [type(arguments[name]) for name in ("count", "rate", "size")] == [int, float, Decimal]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("bar_type", "IBM", "a bar type"),
        ("bar_type", 5, "a bar type"),
        ("count", Decimal("2.5"), "a whole number"),
        ("count", True, "a whole number"),
        ("rate", "fast", "a number"),
        ("size", "1", "a number"),
        ("mode", "medium", "one of 'fast', 'slow'"),
        ("names", "a", "a list"),
        ("names", [1], "a text in quotes"),
        ("pair", [1], "a list of 2"),
        ("until", datetime(2000, 1, 1), "a date and time with Z"),
    ],
)
def test_a_param_of_another_type_says_what_is_expected(name: str, value: Any, expected: str) -> None:
    _, problems = read_params(Typed, {"bar_type": "IBM.NYSE 1d", name: value})
    assert [problem.param for problem in problems] == [name]
    assert expected in (problems[0].expected or "")


def test_a_class_without_an_init_takes_nothing_and_one_with_keywords_takes_all() -> None:
    assert read_params(Bare, {}) == ({}, [])
    assert [problem.param for problem in read_params(Bare, {"x": 1})[1]] == ["x"]
    assert read_params(Open, {"x": 1}) == ({"x": 1}, [])


def test_a_module_that_raises_names_the_line_of_the_user(write_module: Callable[[str, str], None]) -> None:
    write_module("tc_broken", "import tradecore\n\n1 / 0\n")
    problem = find_problem("tc_broken:X")
    assert "ZeroDivisionError: division by zero" in problem.problem
    assert problem.help.endswith("tc_broken.py:3")


def test_a_module_that_is_not_python_names_the_line(write_module: Callable[[str, str], None]) -> None:
    write_module("tc_syntax", "x = 1\ndef (:\n")
    assert find_problem("tc_syntax:X").help.endswith("tc_syntax.py:2")


def test_a_module_that_imports_what_is_not_installed_says_which(write_module: Callable[[str, str], None]) -> None:
    write_module("tc_needs", "import not_a_library_anywhere\n")
    problem = find_problem("tc_needs:X")
    assert "it needs the module not_a_library_anywhere, which is not installed" in problem.problem


def test_a_class_that_is_not_there_names_the_nearest_and_lists_the_others(
    write_module: Callable[[str, str], None],
) -> None:
    write_module("tc_two", "import tradecore as tc\nclass One(tc.Strategy): ...\nclass Other(tc.Strategy): ...\n")
    problem = find_problem("tc_two:Onee")
    assert problem.nearest == "tc_two:One"
    assert problem.help == "its strategies are: One, Other"
    write_module("tc_none", "class Plain: ...\n")
    assert "is no Strategy" in find_problem("tc_none:Plain").problem
    assert find_problem("tc_none:Gone").help == "define class Gone in tc_none"


@pytest.mark.parametrize("path", ["strategy.py", "a/b:C", "a..b:C", "a:C()", "a:C.D", ":C", "a:", "__import__('os')"])
def test_a_path_is_one_module_and_one_class_and_nothing_else(path: str) -> None:
    assert find_problem(path).kind == "path"


def test_a_strategy_that_raises_when_made_is_a_strategy_error(write_module: Callable[[str, str], None]) -> None:
    write_module(
        "tc_raises", "import tradecore as tc\nclass X(tc.Strategy):\n    def __init__(self):\n        {}['k']\n"
    )
    with pytest.raises(StrategyError) as caught:
        create_strategy("tc_raises:X", {})
    assert isinstance(caught.value.__cause__, KeyError)
    assert "tc_raises.py:4" in caught.value.where
    with pytest.raises(ConfigError, match="there is no module tc_not_there"):
        create_strategy("tc_not_there:X", {})


def test_a_mistake_in_init_is_placed_in_the_users_file_not_in_the_library_it_called() -> None:
    """SMA raises, but what has to be changed is the line that called it, or the params."""
    with pytest.raises(StrategyError) as caught:
        create_strategy("tradecore.examples.sma_cross:SmaCross", {"bar_type": "IBM.NYSE 1d last", "fast": 0})
    assert "sma_cross.py:" in caught.value.where
