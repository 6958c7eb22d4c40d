"""The command line as a whole: help, exit codes, and what it does not import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tradecore import __version__
from tradecore.cli.lazy_group import LazyGroup
from tradecore.cli.main import cli

Tradecore = Callable[..., Result]

HEAVY = ("click", "rich", "aiosqlite", "pyarrow", "structlog", "websockets")


def list_modules_after(code: str, environment: dict[str, str]) -> set[str]:
    script = f"{code}\nimport sys; print(chr(10).join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    return {name.partition(".")[0] for name in done.stdout.splitlines()}


def test_importing_tradecore_loads_no_heavy_library(environment: dict[str, str]) -> None:
    """A strategy module imports tradecore; stores, terminals and the command line are for who uses them."""
    assert not list_modules_after("import tradecore", environment) & set(HEAVY)


def test_help_loads_click_and_nothing_else_that_is_heavy(environment: dict[str, str]) -> None:
    script = "from tradecore.cli.main import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass"
    assert list_modules_after(script, environment) & set(HEAVY) == {"click"}


def test_help_names_every_command_and_each_can_be_imported(tradecore: Tradecore) -> None:
    result = tradecore("--help")
    assert result.exit_code == 0
    assert isinstance(cli, LazyGroup)
    for name in ("run", "check", "init", "data", "runs", "completion"):
        assert f"\n  {name} " in result.stdout
        assert tradecore(name, "--help").exit_code == 0
    for name in ("import", "export", "list", "info", "verify", "generate"):
        assert tradecore("data", name, "--help").exit_code == 0


def test_the_version_is_that_of_the_package(tradecore: Tradecore) -> None:
    assert tradecore("--version").stdout == f"tradecore, version {__version__}\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["rnu", "x.toml"], "did you mean `tradecore run`?"),
        (["data", "improt"], "did you mean `tradecore data import`?"),
        (["zzz"], "they are: run, check, init, data, runs, verify, "),
        (["run"], "Missing argument 'CONFIG'"),
        (["run", "x.toml", "--sed", "5"], "--seed"),
        (["run", "x.toml", "--from", "soon"], "midnight UTC"),
        (["data", "list", "--storage", "memory:", "--config", "x.toml"], "leave one out"),
    ],
)
def test_wrong_usage_is_exit_2_and_says_what_to_type(tradecore: Tradecore, args: list[str], says: str) -> None:
    result = tradecore(*args)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "--help" in result.stderr
    assert result.stdout == ""


def test_the_module_runs_as_a_program(tmp_path: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "tradecore", "run", "none.toml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 3
    assert "No such file" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed_for_each_shell(tradecore: Tradecore, shell: str) -> None:
    result = tradecore("completion", shell)
    assert result.exit_code == 0
    assert "_TRADECORE_COMPLETE" in result.stdout
    assert "tradecore completion" in result.stderr  # how to install it


def test_the_shell_gets_commands_and_options_to_choose_from(tmp_path: Path, environment: dict[str, str]) -> None:
    def complete(*words: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "tradecore"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={
                **environment,
                "_TRADECORE_COMPLETE": "bash_complete",
                "COMP_WORDS": " ".join(words),
                "COMP_CWORD": str(len(words) - 1),
            },
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert complete("tradecore", "ru") == ["run", "runs"]
    assert complete("tradecore", "data", "ex") == ["export"]
    assert "--runs-dir" in complete("tradecore", "run", "--r")
