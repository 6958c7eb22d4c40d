"""`tradecore verify` on runs through the whole program, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

REPOSITORY = Path(__file__).parents[2]
INTERRUPTED = """
import os, signal
from tradecore.examples.sma_cross import SmaCross


class Interrupted(SmaCross):
    count = 0

    def on_bar(self, bar):
        super().on_bar(bar)
        self.count += 1
        if self.count == 1_500:
            os.kill(os.getpid(), signal.SIGINT)
"""


def test_the_quickstart_keeps_every_law(run_tradecore: Any, tmp_path: Path) -> None:
    config = REPOSITORY / "configs" / "quickstart.toml"
    storage = ("--set", f"storage.url=sqlite:{tmp_path / 'market.db'}")
    ran: CompletedProcess[str] = run_tradecore("run", config, *storage, "--json")
    folder = Path(json.loads(ran.stdout)["run_folder"])
    verified: CompletedProcess[str] = run_tradecore("verify", folder, "--json")
    assert verified.returncode == 0, verified.stderr
    value = json.loads(verified.stdout)
    assert value["findings"] == []
    assert value["left_out"] == []
    checked = {law["law"]: law["checked"] for law in value["laws"]}
    # 122 orders, each accepted and executed once: the figures that the README shows.
    assert [checked[law] for law in ("O1", "O4", "S6", "E3", "E9", "B1", "B2")] == [244, 244, 122, 122, 122, 1, 1]
    assert run_tradecore("verify", folder).stdout.splitlines()[-1].endswith("all kept")


def test_a_run_that_was_interrupted_is_verified_as_far_as_it_goes(run_tradecore: Any, tmp_path: Path) -> None:
    """SIGINT in the middle: what was kept is labelled, and keeps every law."""
    (tmp_path / "strategy.py").write_text(INTERRUPTED)
    config = (REPOSITORY / "configs" / "quickstart.toml").read_text()
    config = config.replace("tradecore.examples.sma_cross:SmaCross", "strategy:Interrupted")
    (tmp_path / "config.toml").write_text(config.replace("sqlite:data/market.db", "memory:"))
    ran: CompletedProcess[str] = run_tradecore("run", "config.toml", "--json")
    assert ran.returncode == 130, ran.stderr
    result = json.loads(ran.stdout)
    assert result["counts"]["executions"] > 10
    verified: CompletedProcess[str] = run_tradecore("verify", result["run_folder"])
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "interrupted" in verified.stdout.splitlines()[0]
    assert "this run is PARTIAL" in verified.stdout
