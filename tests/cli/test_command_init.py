"""`tradecore init`: what it writes runs as it is written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tradecore.cli.command_init import TEMPLATES

Tradecore = Callable[..., Result]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_checks_runs_and_passes_its_own_test(
    tradecore: Tradecore, environment: dict[str, str], tmp_path: Path, template: str
) -> None:
    result = tradecore("init", "my project", "--template", template)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "my project"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.toml",
        "strategy.py",
        "test_strategy.py",
    ]
    assert 'name = "my-project"' in (folder / "config.toml").read_text()

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, cwd=folder, env=environment, timeout=50
        )

    checked = run("tradecore", "check", "config.toml")
    assert checked.returncode == 0, checked.stderr
    ran = run("tradecore", "run", "config.toml")
    assert ran.returncode == 0, ran.stderr
    assert "complete" in ran.stdout
    tested = run("pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout
    assert "2 passed" in tested.stdout


def test_nothing_is_overwritten(tradecore: Tradecore, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")
    result = tradecore("init")
    assert result.exit_code == 2
    assert "config.toml already" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    assert (tmp_path / "config.toml").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tradecore: Tradecore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = tradecore("init", "file/project")
    assert result.exit_code == 1
    assert "file/project cannot be written" in result.stderr
