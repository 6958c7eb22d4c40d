"""The README's tables: every test it names is there, every setting is listed with its default, every option exists."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.instrument import Instrument
from tradecore.runtime.run_config import (
    DELAYED_EVENT_TYPES,
    DataSettings,
    RunSettings,
    StorageSettings,
    StrategySettings,
)

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
TABLES: dict[str, type[msgspec.Struct]] = {
    "run": RunSettings,
    "data": DataSettings,
    "storage": StorageSettings,
    "instruments": Instrument,
    "strategies": StrategySettings,
    "brokers.NAME": SimulatedBrokerSettings,
}


def read_settings() -> dict[str, str]:
    """Default by key, as the README's configuration table has them; `a.b`, `.c` in one cell are two keys."""
    section = README.split("\n## Configuration\n")[1].split("\n## ")[0]
    settings: dict[str, str] = {}
    for cells in re.findall(r"^\| (`.*?) \| (.*?) \| ", section, flags=re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", cells[0])
        for key in (first, *others):
            settings[first.rpartition(".")[0] + key if key.startswith(".") else key] = cells[1]
    return settings


def test_every_test_that_a_rule_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", README)
    assert len(named) >= 20
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^(async )?def {name}\(", (REPOSITORY / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


def test_every_setting_is_listed_and_no_other() -> None:
    wanted = {f"{table}.{field.name}" for table, kind in TABLES.items() for field in msgspec.structs.fields(kind)}
    wanted |= {"brokers.NAME.type"} | {f"delays.{kind}" for kind in DELAYED_EVENT_TYPES}
    assert set(read_settings()) == wanted


@pytest.mark.parametrize(("table", "kind"), TABLES.items(), ids=list(TABLES))
def test_the_defaults_listed_are_those_of_the_code(table: str, kind: type[msgspec.Struct]) -> None:
    """Where the table shows a value in code, it is the default; "needed" stands where there is none."""
    shown = read_settings()
    for field in msgspec.structs.fields(kind):
        text = shown[f"{table}.{field.name}"]
        assert (text == "needed") is field.required, field.name
        written = re.fullmatch(r"`(.*)`", text)
        if written:
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            assert parse(written[1]) == plain(default), field.name


def parse(text: str) -> Any:
    return {"true": True, "false": False, "[]": (), "{}": {}}.get(text, text.strip('"'))


def plain(value: Any) -> Any:
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def test_every_option_of_the_data_commands_is_one() -> None:
    """From --help, so that a renamed option is renamed here too."""
    from click.testing import CliRunner

    from tradecore.cli.main import cli

    used: dict[str, set[str]] = {}
    for command, rest in re.findall(r"^tradecore data (\w+)(.*)$", README, flags=re.MULTILINE):
        used.setdefault(command, set()).update(re.findall(r"--[a-z-]+", rest.split("  #")[0]))
    assert set(used) == {"import", "list", "info", "verify", "export", "generate", "record"}
    for command, options in used.items():
        help_text = CliRunner().invoke(cli, ["data", command, "--help"]).output
        assert [option for option in sorted(options) if f"{option} " not in help_text] == [], command
