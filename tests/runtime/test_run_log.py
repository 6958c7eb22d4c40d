"""The log of a run: what a person must know, in run.log, on stderr, in a logger of one's own.   STYLE 21; DESIGN 11."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

import tradecore as tc
from tradecore.domain.instant import MINUTE_NS
from tradecore.errors import ConfigError, LoggerFailed, MarginBroken, StrategyError
from tradecore.feeds.spill_file import DiskSpillFile
from tradecore.runtime import run_log
from tradecore.runtime.live_log import LoggedSpillFile
from tradecore.runtime.run_result import RunResult
from tradecore.storage.open_storage import make_storage
from tradecore.testing.builders import make_bars, make_instrument

IBM = "IBM.NYSE"
BARS = "IBM.NYSE 1m last"
CASH = tc.SimulatedBrokerSettings(account="cash", cash={"USD": Decimal(1_000)})
Line = dict[str, Any]


class Script(tc.Strategy):
    """Does what it is told at each bar, which it counts from 1."""

    def __init__(self, act: Any) -> None:
        self.act, self.count = act, 0

    def on_start(self) -> None:
        self.subscribe_to_bars(BARS, key="bars")

    def on_bar(self, bar: tc.Bar) -> None:
        self.count += 1
        self.act(self, self.count)


def buy_too_much(strategy: tc.Strategy, count: int) -> None:
    """At bar 1 an order of 20 x 100 = 2,000 USD, of which the account has 1,000."""
    if count == 1:
        strategy.submit_order(tc.Order.limit(IBM, 20, 100))


async def run(act: Any, **options: Any) -> RunResult:
    """Five bars of a minute at 100 with a range of 1 each side, unless told otherwise."""
    given = {"brokers": {"sim": CASH}, "closes": [100.0] * 5, "name": "logged", **options}
    storage = make_storage("memory:")
    await storage.connect()
    await storage.add_instruments([make_instrument(IBM)])
    await storage.append(make_bars(given.pop("closes"), bar_type=BARS))
    return await tc.run_backtest(strategies=Script(act), storage=storage, **given)


def read(folder: Path | None) -> list[Line]:
    assert folder is not None
    return [json.loads(line) for line in (folder / "run.log").read_text().splitlines()]


def find(lines: list[Line], event: str) -> list[Line]:
    return [line for line in lines if line["event"] == event]


# -------------------------------------------------------------------------------------------------------------- run.log


async def test_a_refused_order_stands_in_the_log_with_its_reason(tmp_path: Path) -> None:
    """The same words as on the order and in orders.jsonl."""
    result = await run(buy_too_much, runs_dir=tmp_path)
    lines = read(result.run_folder)
    [refused] = find(lines, "order_rejected")
    assert (refused["level"], refused["order_id"], refused["broker"]) == ("warning", "Script-1", "sim")
    assert "needs 2000" in refused["reason"]
    assert refused["reason"] in (tmp_path / result.run_id / "orders.jsonl").read_text()
    assert [line["event"] for line in lines[:2]] == ["run_began", "phase_began"]
    assert (lines[-1]["event"], lines[-1]["status"], lines[-1]["orders"]) == ("run_ended", "complete", 1)


async def test_orders_that_go_as_they_were_meant_are_no_news(tmp_path: Path) -> None:
    def trade(strategy: tc.Strategy, count: int) -> None:
        strategy.submit_order(tc.Order.market(IBM, 1 if count % 2 else -1))

    result = await run(trade, runs_dir=tmp_path, log_level="debug")
    assert result.counts["executions"] == 4
    events = {line["event"] for line in read(result.run_folder)}
    assert events == {"run_began", "phase_began", "note", "run_ended"}


async def test_a_strategy_that_raises_stands_in_the_log(tmp_path: Path) -> None:
    def fail(_strategy: tc.Strategy, count: int) -> None:
        if count == 3:
            raise ValueError("out of ideas")

    with pytest.raises(StrategyError) as caught:
        await run(fail, runs_dir=tmp_path)
    lines = read(caught.value.run_folder)
    [raised] = find(lines, "strategy_raised")
    assert (raised["level"], raised["strategy"], raised["error"]) == ("error", "Script", "out of ideas")
    assert (lines[-1]["event"], lines[-1]["status"], lines[-1]["level"]) == ("run_ended", "failed", "error")


async def test_a_refused_command_and_what_the_venue_takes_away_say_why(tmp_path: Path) -> None:
    """An order at 90 works on; its update to 2,000 USD is refused. One of DAY is taken away at the session's end."""

    def act(strategy: Any, count: int) -> None:
        if count == 1:
            strategy.order = strategy.submit_order(tc.Order.limit(IBM, 5, 90))
        if count == 2:
            strategy.update_order(strategy.order, quantity=40)

    result = await run(act, runs_dir=tmp_path)
    [refused] = find(read(result.run_folder), "update_refused")
    assert (refused["order_id"], refused["level"]) == ("Script-1", "warning")
    assert "needs 3600" in refused["reason"]  # 40 x 90


async def test_a_broken_margin_is_an_error_in_the_log(tmp_path: Path) -> None:
    """Short 15 at 100 with 1,000 USD; at 160: equity 1000 - 15 x 60 = 100, below 0.25 x 2,400 = 600."""

    def sell(strategy: tc.Strategy, count: int) -> None:
        if count == 1:
            strategy.submit_order(tc.Order.market(IBM, -15))

    broker = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)}, on_breach="halt")
    with pytest.raises(MarginBroken) as caught:
        await run(sell, runs_dir=tmp_path, brokers={"sim": broker}, closes=[100.0, 100.0, 160.0, 160.0])
    [broken] = find(read(caught.value.run_folder), "margin_broken")
    assert (broken["level"], broken["broker"], broken["on_breach"]) == ("error", "sim", "halt")


async def test_what_a_group_executed_too_much_stands_in_the_events_and_in_the_log(tmp_path: Path) -> None:
    """Reports take a minute. Both legs of an OCO at 101 and 99 sell 1 in a bar from 98 to 102: 1 is bought back."""

    def act(strategy: tc.Strategy, count: int) -> None:
        if count == 1:
            legs = [tc.Order.limit(IBM, -1, 101), tc.Order.stop(IBM, -1, 99)]
            strategy.submit_group(tc.OrderGroup.oco(legs))

    slow = tc.Latency(report=tc.ConstantDelay(ms=60_000))
    broker = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)}, latency=slow)
    wide = [100.0, 100.0, 102.5, 97.5, 100.0, 100.0, 100.0, 100.0, 100.0]
    result = await run(act, runs_dir=tmp_path, brokers={"sim": broker}, closes=wide)
    assert result.run_folder is not None
    [line] = [json.loads(one) for one in (result.run_folder / "events.jsonl").read_text().splitlines()]
    told = {name: line[name] for name in ("kind", "strategy", "broker", "group_id", "quantity", "order_id")}
    assert told == {
        "kind": "group_closing", "strategy": "Script", "broker": "sim", "group_id": "Script-g1", "quantity": "1",
        "order_id": "Script-3",
    }  # fmt: skip
    assert line["reason"] == "more executed than it should: 1 are closed"
    [said] = find(read(result.run_folder), "group_closing")
    assert (said["level"], said["reason"]) == ("warning", line["reason"])


async def test_the_same_run_logs_the_same_bytes(tmp_path: Path) -> None:
    """Its times are the run's, not the machine's."""
    one = await run(buy_too_much, runs_dir=tmp_path / "a")
    two = await run(buy_too_much, runs_dir=tmp_path / "b")
    assert one.run_folder is not None
    assert two.run_folder is not None
    assert (one.run_folder / "run.log").read_bytes() == (two.run_folder / "run.log").read_bytes()


@pytest.mark.parametrize(("level", "events"), [("warning", ["order_rejected"]), ("error", [])])
async def test_the_level_says_how_much_is_kept(tmp_path: Path, level: Any, events: list[str]) -> None:
    result = await run(buy_too_much, runs_dir=tmp_path, log_level=level)
    assert [line["event"] for line in read(result.run_folder)] == events


async def test_off_keeps_no_log(tmp_path: Path) -> None:
    result = await run(buy_too_much, runs_dir=tmp_path, log_level="off")
    assert result.run_folder is not None
    assert not (result.run_folder / "run.log").exists()


async def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="log_level is 'loud'; expected one of debug, info, warning, error, off"):
        await run(buy_too_much, log_level="loud")


async def test_a_flood_is_cut_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of five refusals are shown, and how many there were."""
    monkeypatch.setattr(run_log, "EVENTS_MAX", 2)
    result = await run(lambda strategy, _: strategy.submit_order(tc.Order.limit(IBM, 20, 100)), runs_dir=tmp_path)
    lines = read(result.run_folder)
    assert len(find(lines, "order_rejected")) == 2
    [capped] = find(lines, "log_capped")
    assert (capped["capped"], capped["shown"], capped["count"]) == ("order_rejected", 2, 5)


# ------------------------------------------------------------------------------------------------ a logger of one's own


async def test_a_structlog_logger_hears_it_with_the_id_of_the_run() -> None:
    import structlog

    heard = CapturingLogger()
    logger = structlog.wrap_logger(heard, processors=[lambda _logger, _name, facts: ((facts.pop("event"),), facts)])
    result = await run(buy_too_much, logger=logger)
    assert result.run_folder is None
    [call] = [call for call in heard.calls if call.args == ("order_rejected",)]
    assert call.method_name == "warning"
    assert call.kwargs["run_id"] == result.run_id
    assert "needs 2000" in call.kwargs["reason"]


async def test_a_logger_of_the_standard_library_hears_it_as_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mine"):
        result = await run(buy_too_much, logger=logging.getLogger("mine"))
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage().startswith("event='order_rejected' ")
    assert f"run_id='{result.run_id}'" in record.getMessage()


class Plain:
    """A logger without anything but the four words."""

    def __init__(self, *, fails: bool = False) -> None:
        self.heard: list[tuple[str, Line]] = []
        self.fails = fails

    def info(self, event: str, **facts: Any) -> None:
        if self.fails:
            raise OSError("the pipe is gone")
        self.heard.append((event, facts))

    debug = warning = error = info


async def test_any_object_with_the_four_words_will_do() -> None:
    logger = Plain()
    result = await run(buy_too_much, logger=logger)
    [(_, facts)] = [line for line in logger.heard if line[0] == "order_rejected"]
    assert facts["run_id"] == result.run_id


async def test_a_logger_that_raises_ends_the_run_and_is_named() -> None:
    """A report nobody could write is no report."""
    with pytest.raises(LoggerFailed, match="raised at 'run_began': OSError: the pipe is gone"):
        await run(buy_too_much, logger=Plain(fails=True))


def test_structlog_is_loaded_by_no_run_that_does_not_need_it(tmp_path: Path) -> None:
    """It costs 0.1 s, and run.log is written without it."""
    code = (
        "import sys, asyncio; sys.path.insert(0, sys.argv[1]); import test_run_log as t; "
        "from pathlib import Path; sys.modules.pop('structlog', None); "
        "asyncio.run(t.run(t.buy_too_much)); asyncio.run(t.run(t.buy_too_much, runs_dir=Path(sys.argv[2]))); "
        "print('structlog' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr


# ------------------------------------------------------------------------------------------------------------- stderr


async def test_a_console_sink_writes_lines_a_person_reads(capsys: pytest.CaptureFixture[str]) -> None:
    log = run_log.RunLog(lambda: 90 * MINUTE_NS, [run_log.make_stderr_sink("mine-1", "info")])
    log.say("debug", "unheard")
    log.say("warning", "order_rejected", reason="no money", needed=Decimal("2000.50"))
    shown = capsys.readouterr()
    assert shown.out == ""
    [line] = shown.err.splitlines()
    assert line.startswith("1970-01-01T01:30:00")
    for word in ("[warning", "order_rejected", "needed=2000.50", "reason='no money'", "run_id=mine-1"):
        assert word in line


# --------------------------------------------------------------------------------------------------------------- live


def test_a_buffer_that_goes_to_its_file_is_told_once_as_is_its_return(tmp_path: Path) -> None:
    """The file is cleared at every refill, and in use from its first block on."""
    logger = Plain()
    log = run_log.RunLog(lambda: 0, [run_log.make_logger_sink(logger, "mine")])
    spill = LoggedSpillFile(DiskSpillFile(tmp_path), log)
    spill.clear()
    places = [spill.append(b"one"), spill.append(b"two")]
    assert [spill.read(place, 3) for place in places] == [b"one", b"two"]
    spill.clear()
    spill.clear()
    spill.append(b"more")
    spill.close()
    assert [event for event, _ in logger.heard] == ["spill_began", "spill_ended", "spill_began"]
    assert str(tmp_path) in logger.heard[0][1]["file"]
