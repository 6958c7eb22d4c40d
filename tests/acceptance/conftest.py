"""What the acceptance tests share: real data imported once, processes of their own, the scripts of the repository."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tradecore.storage.importing.import_data import import_data
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.open_storage import open_storage

REPOSITORY = Path(__file__).parents[2]
RunCase = Callable[..., dict[str, Any]]
RunTradecore = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that TRADECORE_DATA names; the test is skipped where it is missing."""
    folder = os.environ.get("TRADECORE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("TRADECORE_DATA names no folder with real market data")
    return Path(folder)


@pytest.fixture(scope="session")
def determinism_case() -> ModuleType:
    """scripts/determinism_case.py as a module: the strategy of the determinism tests and its instrument."""
    path = REPOSITORY / "scripts" / "determinism_case.py"
    spec = importlib.util.spec_from_file_location("determinism_case", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def gbpusd_stores(shared_data: Path, tmp_path_factory: pytest.TempPathFactory, determinism_case: Any) -> dict[str, str]:
    """URLs of stores with the minutes of GBPUSD by kind, each imported from the files on its own."""
    folder = tmp_path_factory.mktemp("gbpusd")
    urls = {"sqlite": f"sqlite:{folder / 'market.db'}", "parquet": f"parquet:{folder / 'market'}"}
    for url in urls.values():
        asyncio.run(determinism_case.build_store(url, shared_data))
    return {**urls, "memory": f"memory:{urls['sqlite']}"}


@pytest.fixture(scope="session")
def aig_stores(shared_data: Path, tmp_path_factory: pytest.TempPathFactory, determinism_case: Any) -> dict[str, str]:
    """URLs of stores with the million quotes of AIG, by kind: imported into one, copied into the other."""
    folder = tmp_path_factory.mktemp("aig")
    urls = {"parquet": f"parquet:{folder / 'market'}", "sqlite": f"sqlite:{folder / 'market.db'}"}

    async def fill() -> None:
        await _import_aig(urls["parquet"], shared_data / "ticks" / "aig_20131007_quote.zip")
        async with open_storage(urls["parquet"]) as source, open_storage(urls["sqlite"]) as target:
            await determinism_case.copy_store(source, target)

    asyncio.run(fill())
    return urls


async def _import_aig(url: str, path: Path) -> None:
    async with open_storage(url) as storage:
        report = await import_data(storage, path, ImportSettings(timezone="America/New_York"))
    # The importer's own tests say what the 47 rows are: a side that was never seen, so nothing that could be quoted.
    assert (report.rows, report.added) == (1_079_935, 1_079_935 - 47)


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Of a process of its own that is to find the tradecore under test."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture(scope="session")
def run_case(environment: dict[str, str]) -> RunCase:
    """scripts/determinism_case.py in a process of its own, with a hash seed of its own."""

    def run(url: str, *, subscribe: str, batch_size: int, days: int, hash_seed: str) -> dict[str, Any]:
        command = [sys.executable, str(REPOSITORY / "scripts" / "determinism_case.py"), "--store", url]
        command += ["--subscribe", subscribe, "--batch-size", str(batch_size), "--days", str(days)]
        seeded = {**environment, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, capture_output=True, text=True, env=seeded, timeout=55)
        assert done.returncode == 0, done.stderr
        value = json.loads(done.stdout)
        assert isinstance(value, dict)
        return value

    return run


@pytest.fixture
def run_tradecore(environment: dict[str, str], tmp_path: Path) -> RunTradecore:
    """The command line in a process of its own, in tmp_path: for signals, limits and exit codes."""

    def run(*args: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tradecore", *map(str, args)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=50, env=environment, **settings
        )

    return run
