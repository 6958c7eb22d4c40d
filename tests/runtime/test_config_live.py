"""The live part of a configuration: [run] mode = "live", [venues.NAME], [handover]: DESIGN 10, 13."""

from pathlib import Path

import pytest

from tradecore.domain.instant import DAY_NS, SECOND_NS
from tradecore.errors import ConfigError
from tradecore.runtime.config import check_config, parse_config
from tradecore.runtime.run_config import RunConfig

LIVE = """
[run]
name = "live"
mode = "live"
warmup = "30d"

[[strategies]]
path = "tradecore.examples.sma_cross:SmaCross"
params = { bar_type = "BTCUSDT.BINANCE 1m last" }

[brokers.sim]
type = "simulated"
account = "margin"
cash = { USDT = 100000 }

[venues.binance]
type = "binance"
"""


def find_keys(text: str, *overrides: str) -> dict[str, str]:
    """Key of each mistake, and what it says."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, overrides, name="x.toml")
    return {mistake.key: str(mistake) for mistake in caught.value.mistakes}  # type: ignore[attr-defined]


def test_a_live_configuration_says_everything_in_its_own_words() -> None:
    config = parse_config(LIVE, ["run.duration=1h 30m", "handover.on_broken=halt", "handover.overlap_s=0.5"])
    assert config.run.mode == "live"
    assert (config.run.warmup_ns, config.run.duration_ns) == (30 * DAY_NS, 5_400 * SECOND_NS)
    assert config.venues["binance"].id_suffix == "BINANCE"
    assert config.handover.join_policy.on_broken == "halt"
    assert config.handover.overlap_ns == SECOND_NS // 2


def test_a_local_venue_is_a_table_of_its_own() -> None:
    local = "venues.binance.local={ market = 'synthetic', speed = 20, faults = ['drop at=5'] }"
    config = parse_config(LIVE, [local, "run.clock=venue"])
    settings = config.venues["binance"].local
    assert settings is not None
    assert (settings.speed, settings.faults) == (20.0, ("drop at=5",))


def test_a_live_configuration_survives_the_way_through_tables() -> None:
    """What run.json shows can be run again."""
    config = parse_config(LIVE)
    again: RunConfig = check_config(config)
    assert again.to_dict() == config.to_dict()
    assert again.to_dict()["venues"] == {"binance": {"type": "binance", "connection": {}}}


def test_the_tables_of_a_backtest_say_nothing_of_live_runs() -> None:
    """So its fingerprint is what it was before there were any."""
    text = LIVE.replace('mode = "live"\nwarmup = "30d"\n', "").replace('[venues.binance]\ntype = "binance"\n', "")
    described = parse_config(text).to_dict()
    assert not {"venues", "handover"} & set(described)
    assert not {"warmup", "duration", "clock"} & set(described["run"])


@pytest.mark.parametrize(
    ("overrides", "key", "says"),
    [
        (["run.start=2024-01-01T00:00:00Z"], "run.warmup", "both say where history begins"),
        (["run.duration=1h", "run.end=2124-01-01T00:00:00Z"], "run.duration", "both say where the run ends"),
        (["run.order_by=event"], "run.order_by", "as they arrive"),
        (["run.clock=venue"], "run.clock", "there are 0"),
        (["venues={}"], "venues", 'write [venues.binance] with type = "binance"'),
        (["venues.other={ type = 'kraken', suffix = 'BINANCE' }"], "venues.other", "another suffix"),
        (["venues.binance.stream_url=http://x"], "venues.binance.stream_url", 'write stream_url = "wss://HOST..."'),
        (["venues.binance.rest_url=https://x"], "venues.binance.rest_url", "binance has stream_url, api_url"),
        (["venues.k={ type = 'kraken', rest_url = 'wss://x' }"], "venues.k.rest_url", '"https://HOST..."'),
        (["handover.catch_up_limit=soon"], "handover.catch_up_limit", 'write catch_up_limit = "10m"'),
        (["handover.buffer_events=0"], "handover.buffer_events", "1 or more"),
        (["handover.on_broken=explode"], "handover.on_broken", "halt"),
        (["venues.binance.local.speed=0"], "venues.binance.local.speed", "above 0"),
        (["venues.binance.local.market=synthetc"], "venues.binance.local.market", '"frames:FILE" or "store:URL"'),
        (["venues.binance.local.market='frames:'"], "venues.binance.local.market", '"frames:FILE" or "store:URL"'),
        (["venues.binance.connection.open_timeout_s=-1"], "venues.binance.connection.open_timeout_s", "above 0"),
    ],
)
def test_what_contradicts_itself_is_said_with_what_to_type(overrides: list[str], key: str, says: str) -> None:
    found = find_keys(LIVE, *overrides)
    assert key in found, found
    assert says in found[key]


def test_every_mistake_of_a_live_file_is_told_at_once(tmp_path: Path) -> None:
    found = find_keys(LIVE, "run.warmup=long", "venues.binance.type=coinbase", "handover.lag_limit_s=0")
    assert {"run.warmup", "venues.binance.type", "handover.lag_limit_s"} <= set(found)


def test_a_venue_that_is_mistyped_is_not_told_again_as_a_clock_of_nobody() -> None:
    """Whoever wrote a local venue with speed 0 must not be told to write a local venue."""
    overrides = ("run.clock=venue", "venues.binance.local={ market = 'synthetic', speed = 0 }")
    assert list(find_keys(LIVE, *overrides)) == ["venues.binance.local.speed"]
