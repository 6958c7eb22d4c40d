"""The README: its code runs, its output is what is printed, its diagram is drawn from the table."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from inspect import iscoroutinefunction
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from tradecore.cli.main import cli

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
RUN_MARK = "<!-- run by tests/test_readme.py -->"
COMMAND = "scripts/tradecore run configs/quickstart.toml"


def find_blocks(word: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{word}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the configurations, as a new user has them, to be in."""
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs", ignore=shutil.ignore_patterns("data", "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_python_block_is_marked_to_be_run() -> None:
    """What is not run is wrong one day."""
    assert README.count(f"{RUN_MARK}\n```python\n") == README.count("```python") == len(find_blocks("python")) >= 2


def test_the_code_runs_as_it_stands(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All blocks are one module; then each async function without parameters is called, in order."""
    module = ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", module)  # where a strategy's code is looked for
    for block in find_blocks("python"):
        exec(compile(block, "README.md", "exec"), module.__dict__)
    calls = [value for value in vars(module).values() if iscoroutinefunction(value) and value.__module__ == "readme"]
    assert next(call.__name__ for call in calls) == "main"
    for call in calls:
        asyncio.run(call())
        assert capsys.readouterr().out.strip(), f"{call.__name__} prints nothing"
    assert (clone / "runs").is_dir()


def test_the_output_shown_is_what_the_first_command_prints(clone: Path) -> None:
    """Line by line, in order; where the README leaves lines out it says so with dots."""
    assert COMMAND in find_blocks("bash")[0]
    result = CliRunner().invoke(cli, ["run", "configs/quickstart.toml"])
    assert result.exit_code == 0, result.output
    printed = result.stdout.splitlines()
    shown = [line for line in find_blocks("text")[0].splitlines() if line.strip() not in ("", "...")]
    assert [line for line in shown if line not in printed] == []
    places = [printed.index(line) for line in shown]
    assert places == sorted(places)
    for word in ("trades", "return", "max drawdown", "run folder"):
        assert any(line.strip().startswith(word) for line in shown), word


def test_the_diagram_is_drawn_from_the_table() -> None:
    loader = SourceFileLoader("draw_order_states", str(REPOSITORY / "scripts" / "draw_order_states"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    drawing = module_from_spec(spec)
    loader.exec_module(drawing)
    assert find_blocks("mermaid") == [drawing.draw() + "\n"], "print the new one with scripts/draw_order_states"


def test_every_script_that_is_named_is_there() -> None:
    named = set(re.findall(r"\bscripts/[a-z_/]+", README))
    assert named >= {"scripts/tradecore", "scripts/test", "scripts/bench"}
    assert [name for name in sorted(named) if not (REPOSITORY / name).exists()] == []


def test_no_placeholder_is_left() -> None:
    assert re.findall(r"^[A-Z]+_[A-Z_]+$", README, flags=re.MULTILINE) == []
