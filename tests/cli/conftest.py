"""What the tests of the command line share: calling it in this process, and projects to call it on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import tradecore as package
from tradecore.cli.main import cli

Tradecore = Callable[..., Result]

CONFIG = """\
[run]
name = "small"
start = 2000-03-01T00:00:00Z
end = 2001-03-01T00:00:00Z
batch_size = 32

[data]
bundled = ["IBM"]

[storage]
url = "memory:"

[[instruments]]
id = "IBM.NYSE"
price_increment = 0.01
quantity_increment = 1
currency = "USD"

[[strategies]]
path = "STRATEGY"
params = { bar_type = "IBM.NYSE 1d last" }

[brokers.sim]
type = "simulated"
account = "margin"
cash = { USD = 100000 }
"""


@pytest.fixture
def tradecore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tradecore]:
    """Calls the command line in tmp_path; what it imported from there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def call(*args: str | Path) -> Result:
        return CliRunner().invoke(cli, [str(arg) for arg in args])

    yield call
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Writes config.toml; with `code`, also a strategy.py beside it whose class `Mine` it names."""

    def write(code: str | None = None, *, text: str = CONFIG) -> Path:
        path = "tradecore.examples.sma_cross:SmaCross"
        if code is not None:
            (tmp_path / "strategy.py").write_text(code)
            path = "strategy:Mine"
        config = tmp_path / "config.toml"
        config.write_text(text.replace("STRATEGY", path))
        return config

    return write


@pytest.fixture
def environment() -> dict[str, str]:
    """Of a process of its own that is to find the tradecore under test."""
    return {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}


@pytest.fixture
def read_json() -> Callable[[Result], dict[str, Any]]:
    """The one JSON object that a command with --json prints on stdout."""

    def read(result: Result) -> dict[str, Any]:
        lines = result.stdout.splitlines()
        assert len(lines) == 1, result.stdout
        value = json.loads(lines[0])
        assert isinstance(value, dict)
        return value

    return read
