"""`tradecore data ...`: files into a store, out of it, and what it says of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Tradecore = Callable[..., Result]
ReadJson = Callable[[Result], dict[str, Any]]

BARS = """\
time,open,high,low,close,volume
2024-01-02 00:00,10,12,9,11,100
2024-01-02 00:01,11,13,10,12,200
2024-01-02 00:02,12,12.5,11,11.5,300
"""
ABOUT = ("--bar-type", "ACME.X 1m last", "--timezone", "UTC", "--stamp", "start")


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "acme.csv"
    path.write_text(BARS)
    return path


# ------------------------------------------------------------------------------------------------------------ import


def test_an_import_says_what_it_added_and_a_second_one_adds_nothing(tradecore: Tradecore, bars: Path) -> None:
    first = tradecore("data", "import", bars, *ABOUT)
    assert first.exit_code == 0, first.output
    assert "3 rows: 3 added, 0 known before" in first.stdout
    # Start-stamped minutes: the bar of 00:00 ends at 00:01, that of 00:02 at 00:03.
    assert "bar ACME.X 1m last: 3 rows, 2024-01-02T00:01:00Z to 2024-01-02T00:03:00Z" in first.stdout
    assert "price_increment = 0.1" in first.stdout
    assert first.stderr == ""
    assert "0 added, 3 known before" in tradecore("data", "import", bars, *ABOUT).stdout


def test_a_dry_run_shows_the_mapping_and_stores_nothing(tradecore: Tradecore, bars: Path, tmp_path: Path) -> None:
    result = tradecore("data", "import", bars, *ABOUT, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "column  1: time -> time" in result.stdout
    assert "column  5: close -> close" in result.stdout
    assert "stored  2024-01-02T00:01:00Z open=10.0 high=12.0 low=9.0 close=11.0 volume=100.0" in result.stdout
    assert "next: run it again without --dry-run" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["acme.csv"]


@pytest.mark.parametrize(("left_out", "says"), [("--timezone", "--timezone"), ("--stamp", "--stamp")])
def test_what_is_never_guessed_is_asked_for(tradecore: Tradecore, bars: Path, left_out: str, says: str) -> None:
    at = ABOUT.index(left_out)
    about = (*ABOUT[:at], *ABOUT[at + 2 :])
    dry = tradecore("data", "import", bars, *about, "--dry-run")
    assert dry.exit_code == 2
    assert "missing" in dry.stdout
    assert says in dry.stdout
    wet = tradecore("data", "import", bars, *about)
    assert wet.exit_code in (2, 4)
    assert says in wet.stderr
    assert not Path("data/market.db").exists()


def test_a_file_with_bad_rows_names_the_lines_and_imports_nothing(tradecore: Tradecore, bars: Path) -> None:
    bars.write_text(BARS + "2024-01-02 00:03,12,nan,11,11.5,300\n2024-01-02 00:01,1,1,1,1,1\n")
    result = tradecore("data", "import", bars, *ABOUT)
    assert result.exit_code == 4
    assert "nothing was imported" in result.stderr
    assert "5" in result.stderr  # the fifth line has NaN
    assert "6" in result.stderr  # the sixth goes back in time
    assert "next: `tradecore data import FILE --dry-run`" in result.stderr
    assert not Path("data/market.db").exists()


@pytest.mark.parametrize("url", ["sqlite:new/market.db", "parquet:new/market"])
def test_a_refused_import_leaves_no_store_behind_and_touches_none_that_was_there(
    tradecore: Tradecore, bars: Path, url: str
) -> None:
    path = Path(url.partition(":")[2])
    good = bars.read_text()
    bars.write_text(BARS + "2024-01-02 00:03,12,nan,11,11.5,300\n")
    assert tradecore("data", "import", bars, *ABOUT, "--storage", url).exit_code == 4
    assert not path.exists()
    bars.write_text(good)
    assert tradecore("data", "import", bars, *ABOUT, "--storage", url).exit_code == 0
    bars.write_text(BARS + "2024-01-02 00:03,12,nan,11,11.5,300\n")
    assert tradecore("data", "import", bars, *ABOUT, "--storage", url).exit_code == 4
    assert "last     3  2024" in tradecore("data", "list", "--storage", url).stdout


def test_columns_can_be_named_and_an_instrument_defined(tradecore: Tradecore, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("when;a;b;c;d\n02.01.2024 00:00;1,5;2;1;1,5\n")
    result = tradecore(
        "data", "import", path, *ABOUT, "--delimiter", ";", "--decimal", ",", "--time-form", "%d.%m.%Y %H:%M",
        "--column", "time=when", "--column", "open=2", "--column", "high=3", "--column", "low=4", "--column", "close=d",
        "--price-increment", "0.5", "--quantity-increment", "1", "--currency", "USD",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    shown = tradecore("data", "info", "ACME.X 1m")
    assert "price_increment  0.5" in shown.stdout
    assert "2024-01-02T00:01:00Z open=1.5 high=2.0 low=1.0 close=1.5" in shown.stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--column", "time"), "ROLE=COLUMN"),
        (("--price-increment", "x"), "not a number"),
        (("--price-increment", "0.1"), "--quantity-increment"),
        (("--stamp", "middle"), "start, end"),
        (("--kind", "bars"), "bar, trade_tick"),
    ],
)
def test_options_that_cannot_be_meant_are_exit_2(
    tradecore: Tradecore, bars: Path, args: tuple[str, ...], says: str
) -> None:
    result = tradecore("data", "import", bars, *ABOUT, *args)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_file_that_is_not_there_is_named(tradecore: Tradecore) -> None:
    result = tradecore("data", "import", "none.csv", *ABOUT)
    assert result.exit_code in (2, 4)
    assert "none.csv" in result.stderr


# -------------------------------------------------------------------------------------------------- list, info, verify


def test_list_and_info_say_what_the_store_has(tradecore: Tradecore, bars: Path, read_json: ReadJson) -> None:
    tradecore("data", "import", bars, *ABOUT)
    assert "bar ACME.X 1m last     3  2024-01-02T00:01:00Z  2024-01-02T00:03:00Z" in tradecore("data", "list").stdout
    listed = read_json(tradecore("data", "list", "--json"))["series"]
    assert listed == [
        {
            "kind": "bar",
            "name": "ACME.X 1m last",
            "rows": 3,
            "first": "2024-01-02T00:01:00Z",
            "last": "2024-01-02T00:03:00Z",
        }
    ]
    info = read_json(tradecore("data", "info", "bar ACME.X 1m last", "--json"))
    assert (info["rows"], info["instrument"]) == (3, None)
    assert len(info["spans"]) == 1


def test_a_series_that_is_not_there_names_the_nearest(tradecore: Tradecore, bars: Path) -> None:
    tradecore("data", "import", bars, *ABOUT)
    result = tradecore("data", "info", "ACMF.X 1m last")
    assert result.exit_code == 4
    assert "ACME.X 1m last" in result.stderr


def test_commands_that_read_make_no_store(tradecore: Tradecore, tmp_path: Path) -> None:
    for command in (["list"], ["info", "X.Y"], ["verify"], ["export", "X.Y", "x.csv"]):
        result = tradecore("data", *command)
        assert result.exit_code == 4
        assert "there is no store at data/market.db; `tradecore data import FILE" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_verify_reports_gaps_and_calls_the_series_sound(tradecore: Tradecore, bars: Path, read_json: ReadJson) -> None:
    """Minutes 00:03 and 00:04 are missing before a bar that ends at 00:06; a market may be closed."""
    bars.write_text(BARS + "2024-01-02 00:05,12,12.5,11,11.5,300\n")
    tradecore("data", "import", bars, *ABOUT)
    result = tradecore("data", "verify")
    assert result.exit_code == 0
    assert "bar ACME.X 1m last: sound; 4 rows" in result.stdout
    assert "gap of 2 bars: 2024-01-02T00:03:00Z to 2024-01-02T00:06:00Z" in result.stdout
    value = read_json(tradecore("data", "verify", "ACME.X 1m", "--json"))
    assert value["is_sound"] is True
    assert value["series"][0]["gap_count"] == 1


# -------------------------------------------------------------------------------------------------- export, generate


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_what_is_exported_imports_again_without_being_told_anything(
    tradecore: Tradecore, bars: Path, name: str
) -> None:
    tradecore("data", "import", bars, *ABOUT)
    result = tradecore("data", "export", "ACME.X 1m last", name)
    assert result.exit_code == 0, result.output
    assert "3 rows" in result.stdout
    again = tradecore("data", "import", name, "--bar-type", "ACME.X 1m last")
    assert "0 added, 3 known before" in again.stdout, again.output
    assert tradecore("data", "export", "ACME.X 1m last", name).exit_code == 4  # it is there
    assert tradecore("data", "export", "ACME.X 1m last", name, "--overwrite").exit_code == 0


def test_a_stretch_of_time_can_be_exported(tradecore: Tradecore, bars: Path, read_json: ReadJson) -> None:
    tradecore("data", "import", bars, *ABOUT)
    value = read_json(
        tradecore("data", "export", "ACME.X 1m last", "x.csv", "--from", "2024-01-02T00:02:00Z", "--json")
    )
    assert value["rows"] == 2
    assert "no rows" in tradecore("data", "export", "ACME.X 1m last", "y.csv", "--from", "2025-01-01").stdout


def test_generated_data_is_labelled_synthetic_and_the_same_for_a_seed(
    tradecore: Tradecore, read_json: ReadJson
) -> None:
    first = tradecore("data", "generate", "bars", "--symbol", "ACME", "--days", "2", "--seed", "3")
    assert first.exit_code == 0, first.output
    assert "bar ACME.SYNTH 1m last: 780 events of 2 days, 780 added" in first.stdout  # 2 x 390 minutes of New York
    assert "synthetic" in first.stdout
    again = read_json(tradecore("data", "generate", "bars", "--symbol", "ACME", "--days", "2", "--seed", "3", "--json"))
    assert (again["events"], again["added"]) == (780, 0)
    quotes = tradecore("data", "generate", "quotes", "--symbol", "ACME", "--days", "1", "--per-day", "50")
    assert "quote_tick ACME.SYNTH: 50 events" in quotes.stdout
    several = tradecore("data", "info", "ACME.SYNTH")
    assert several.exit_code == 0  # bars have another name, so this is the quotes


def test_a_name_that_fits_several_series_is_asked_back(tradecore: Tradecore) -> None:
    for kind in ("quotes", "trades"):
        tradecore("data", "generate", kind, "--symbol", "ACME", "--days", "1", "--per-day", "10")
    result = tradecore("data", "info", "ACME.SYNTH")
    assert result.exit_code == 2
    assert '"quote_tick ACME.SYNTH", "trade_tick ACME.SYNTH"' in result.stderr
    assert tradecore("data", "info", "trade_tick ACME.SYNTH").exit_code == 0


def test_the_store_and_the_instruments_of_a_configuration_can_be_used(
    tradecore: Tradecore, bars: Path, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = write_config()
    text = config.read_text().replace('"memory:"', '"sqlite:own/store.db"').replace("IBM.NYSE", "ACME.X")
    config.write_text(text.replace('["IBM"]', "[]"))
    assert tradecore("data", "import", bars, *ABOUT, "--config", config).exit_code == 0
    assert (tmp_path / "own" / "store.db").is_file()
    assert "price_increment  0.01" in tradecore("data", "info", "ACME.X 1m", "--config", config).stdout


# --------------------------------------------------------------------------------------------------------- real data


@pytest.mark.real_data
def test_a_month_of_real_minutes_goes_in_once_and_comes_out_complete(tradecore: Tradecore, read_json: ReadJson) -> None:
    """30,117 rows, as the note beside the files says."""
    folder = os.environ.get("TRADECORE_DATA")
    if folder is None:
        pytest.skip("TRADECORE_DATA does not say where the real market data is")
    file = Path(folder) / "bars" / "gbpusd_1m_ask_2012-02.csv.gz"
    about = ("--bar-type", "GBPUSD.FX 1m ask", "--stamp", "start")
    first = read_json(tradecore("data", "import", file, *about, "--json"))
    assert (first["rows"], first["added"]) == (30_117, 30_117)
    assert json.loads(tradecore("data", "info", "GBPUSD.FX 1m ask", "--json").stdout)["rows"] == 30_117
    assert read_json(tradecore("data", "import", file, *about, "--json"))["added"] == 0
