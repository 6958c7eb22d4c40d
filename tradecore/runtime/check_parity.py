"""check_parity: repeat a recorded live run and lay both side by side.

Receives: the run folder of a live run that was recorded; for one that was made in code, its strategies and settings.
Gives:    a Parity: what was the same, and the first difference of each file.
Never:    touches the live run's folder, or connects to anything.    DESIGN 10; issue 4, item 5.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.delay_law import DelayLaw
from tradecore.errors import RecordingUnreadable
from tradecore.runtime.live_settings import HandoverSettings
from tradecore.runtime.parity import Parity, compare_runs
from tradecore.runtime.recorded_config import decode_config
from tradecore.runtime.recorded_session import RecordedSession, load_session
from tradecore.runtime.replay_run import replay_run
from tradecore.runtime.run_plan import Broker, RunPlan, plan_from_config, plan_from_objects
from tradecore.runtime.run_recording import RECORDING_FOLDER
from tradecore.strategy.strategy import Strategy


async def check_parity(
    live: Path | str,
    *,
    strategies: Strategy | Sequence[Strategy] | Mapping[str, Strategy] = (),
    brokers: Mapping[str, Broker] | None = None,
    broker_of: Mapping[str, str] | None = None,
    handover: HandoverSettings | None = None,
    delays: Mapping[str, DelayLaw] | None = None,
    adjustments: Sequence[AccountAdjustment] = (),
    seed: int = 0,
    keep_in: Path | None = None,
) -> Parity:
    """Whether a replay of the recording gives the callbacks, orders and executions that the live run left.

    live: its run folder. strategies, brokers, broker_of, handover, delays, adjustments, seed: as they were given to
    run_live, for a run that was made in code; strategy objects must be new. keep_in: a folder for the replay's own run
    folder.
    Raises: RecordingUnreadable, ConfigError, StrategyError, and what else a run raises.
    """
    live = Path(live)
    session = _load(live)
    with tempfile.TemporaryDirectory(prefix="tradecore-parity-") as scratch:
        folder = Path(scratch) if keep_in is None else keep_in
        if strategies:
            plan = plan_from_objects(
                name="replay", strategies=strategies, brokers=brokers or {}, broker_of=broker_of, instruments=(),
                storage=None, start=None, end=None, seed=seed, batch_size=1_024, order_by="delivery", on_error="halt",
                delays=delays or {}, adjustments=adjustments, trace=True, runs_folder=folder,
            )  # fmt: skip
            settings = handover or HandoverSettings()
        else:
            plan, settings = _plan_from_recording(session, folder)
        result = await replay_run(session, plan, settings)
        assert result.run_folder is not None, "it was given a folder"
        return compare_runs(live, result.run_folder)


def find_config_folder(live: Path) -> Path | None:
    """The folder that the run's configuration was in: what it imports may stand there. Raises: RecordingUnreadable."""
    encoded = _load(live).facts.get("config")
    folder = None if encoded is None else encoded.get("folder")
    return None if folder is None else Path(folder)


def _load(live: Path) -> RecordedSession:
    if not (live / RECORDING_FOLDER).is_dir():
        raise RecordingUnreadable(
            f"{live} has no {RECORDING_FOLDER} folder: only a live run that was recorded can be repeated. Write a "
            "[recording] table into its configuration and run it again"
        )
    return load_session(live / RECORDING_FOLDER)


def _plan_from_recording(session: RecordedSession, folder: Path) -> tuple[RunPlan, HandoverSettings]:
    encoded = session.facts.get("config")
    if encoded is None:
        raise RecordingUnreadable(
            f"{session.folder}: the run was made in code, so its strategies are not known here; call "
            "tradecore.check_parity(folder, strategies=...) with new ones"
        )
    config = decode_config(encoded)
    plan = plan_from_config(config, runs_dir=folder, storage="memory:")
    return msgspec.structs.replace(plan, trace=True, bundled=(), log_stderr="off"), config.handover
