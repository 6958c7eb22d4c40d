"""The same input leaves the same bytes, the first time and ever after."""

from __future__ import annotations

from pathlib import Path

import tradecore as tc

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.toml"


async def test_the_run_that_filled_the_store_leaves_the_same_bytes_as_the_next(tmp_path: Path) -> None:
    """That it put the bundled bars into the store is told, but is no part of what was run."""
    config = tmp_path / "quickstart.toml"
    config.write_text(QUICKSTART.read_text(encoding="utf-8"), encoding="utf-8")
    first = await tc.run_backtest(config, runs_dir=tmp_path / "first")
    again = await tc.run_backtest(config, runs_dir=tmp_path / "again")
    assert any("were put into sqlite:data/market.db" in note for note in first.notes)
    assert not any("were put into" in note for note in again.notes)
    assert first.run_folder is not None
    assert again.run_folder is not None
    names = sorted(path.name for path in first.run_folder.iterdir())
    assert {"run.json", "orders.jsonl", "executions.jsonl", "statistics.json"} <= set(names)
    assert names == sorted(path.name for path in again.run_folder.iterdir())
    for name in names:
        assert (first.run_folder / name).read_bytes() == (again.run_folder / name).read_bytes(), name
