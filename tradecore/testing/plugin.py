"""The pytest plugin: a marker that runs an async test on virtual time.

Receives: `pytest_plugins = ["tradecore.testing.plugin"]` in the outermost conftest.py; tests marked
          `@pytest.mark.virtual_time(seed=7)`, with any parameter of run_virtual.
Gives:    these tests run by run_virtual, whatever other async plugin there is; `--virtual-seed N` for all of them; the
          fixture `virtual_seed`, and in a failure's text the seed that repeats it.
Never:    runs async fixtures on the virtual loop: they belong to the other plugin's. Open things inside the test.
          Marks on a class or module leave its plain tests alone.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any

import pytest

_MARKER = "virtual_time"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --virtual-seed."""
    parser.addoption("--virtual-seed", type=int, default=None, help="the seed of all tests that run on virtual time")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(seed=0, start=..., law=..., limits=...): run this async test on virtual time"
    )


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Turn a marked async test into a plain one before another async plugin takes it."""
    made = yield
    for item in made if isinstance(made, list) else [made]:
        marker = item.get_closest_marker(_MARKER) if isinstance(item, pytest.Function) else None
        if marker is not None:
            _make_plain(item, _settings(item, marker))
    return made


def _make_plain(item: pytest.Function, settings: dict[str, Any]) -> None:
    """Replace the async function of a test, or the one that hypothesis calls for each example."""
    if inspect.iscoroutinefunction(item.obj):
        item.obj = _run_by(item.obj, settings)
        return
    given: Any = getattr(item.obj, "hypothesis", None)
    if inspect.iscoroutinefunction(getattr(given, "inner_test", None)):
        given.inner_test = _run_by(given.inner_test, settings)


def _settings(item: pytest.Item, marker: pytest.Mark) -> dict[str, Any]:
    if marker.args:
        raise pytest.UsageError(f"{item.nodeid}: virtual_time takes names only, as in virtual_time(seed=7)")
    return {**marker.kwargs, "seed": _seed(item)}


def _seed(item: pytest.Item) -> int:
    given = item.config.getoption("--virtual-seed")
    marker = item.get_closest_marker(_MARKER)
    chosen = marker.kwargs.get("seed", 0) if given is None and marker is not None else given
    return int(chosen or 0)


def _run_by(test: Callable[..., Any], settings: dict[str, Any]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        from tradecore.testing.virtual_run import run_virtual

        run_virtual(lambda: test(*args, **named), **settings)

    return run


@pytest.fixture
def virtual_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test: of --virtual-seed, else of its marker, else 0."""
    return _seed(request.node)
