"""load_config: what a right file gives, and what a mistake says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tradecore.brokerage.settings import DepthSlippage, RateCommission, SimulatedBrokerSettings, TickSlippage
from tradecore.domain.delay_law import ConstantDelay, NormalDelay
from tradecore.domain.instrument import Instrument
from tradecore.errors import ConfigError
from tradecore.runtime.config import check_config, config_from_tables, load_config, parse_config
from tradecore.runtime.config_mistakes import ConfigMistake
from tradecore.runtime.run_config import RunConfig, RunSettings, StrategySettings

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.toml"
MINIMAL = """\
[run]
name = "small"

[[strategies]]
path = "tradecore.examples.sma_cross:SmaCross"
params = { bar_type = "IBM.NYSE 1d last" }

[brokers.sim]
type = "simulated"
account = "cash"
cash = { USD = 1000 }
"""


def find_mistakes(text: str, *overrides: str) -> list[ConfigMistake]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, overrides, name="x.toml")
    return [mistake for mistake in caught.value.mistakes if isinstance(mistake, ConfigMistake)]


def find_one(text: str, *overrides: str) -> ConfigMistake:
    mistakes = find_mistakes(text, *overrides)
    assert len(mistakes) == 1, [str(m) for m in mistakes]
    return mistakes[0]


# ------------------------------------------------------------------------------------------------------ right files


def test_the_quickstart_says_what_the_design_says() -> None:
    config = load_config(QUICKSTART)
    assert config.run == RunSettings(
        name="sma-cross-ibm",
        start=datetime(2000, 3, 1, tzinfo=UTC),
        end=datetime(2013, 3, 1, tzinfo=UTC),
        seed=7,
    )
    assert config.run.start_ns == 951_868_800 * 10**9
    assert config.data.bundled == ("IBM",)
    assert config.instruments[0].price_increment == Decimal("0.01")
    assert config.strategies[0].params == {
        "bar_type": "IBM.NYSE 1d last",
        "fast": 10,
        "slow": 30,
        "quantity": Decimal(100),
    }
    assert type(config.strategies[0].params["quantity"]) is Decimal  # as the class names it, though TOML has an int
    sim = config.brokers["sim"]
    assert sim.cash == {"USD": Decimal(100_000)}
    assert sim.commission == RateCommission(maker=Decimal("0.0002"), taker=Decimal("0.0005"))
    assert sim.slippage == TickSlippage(ticks=Decimal(1))
    assert config.delays == {"bar": ConstantDelay()}
    assert config.folder == QUICKSTART.parent


def test_what_is_not_written_has_the_documented_default() -> None:
    config = parse_config(MINIMAL)
    assert config.run.batch_size == 4_096
    assert config.run.order_by == "delivery"
    assert config.run.on_error == "halt"
    assert config.storage.url == "sqlite:data/market.db"
    assert config.strategies[0].name == "SmaCross"
    assert config.strategies[0].broker == "sim"  # the only one there is
    assert config.runs_folder == Path("runs")


def test_a_runs_dir_that_is_written_is_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(MINIMAL)
    assert load_config(file, ["run.runs_dir=out"]).runs_folder == tmp_path / "out"


def test_numbers_keep_the_digits_that_were_written() -> None:
    """0.1 as a float is 0.1000000000000000055...; money must not begin like that."""
    config = parse_config(MINIMAL, ["brokers.sim.cash.USD=0.10"])
    assert str(config.brokers["sim"].cash["USD"]) == "0.10"


def test_an_offset_is_an_exact_instant_and_becomes_utc() -> None:
    config = parse_config(MINIMAL, ["run.start=2000-03-01T01:00:00+01:00"])
    assert config.run.start == datetime(2000, 3, 1, tzinfo=UTC)
    assert config.run.start is not None
    assert config.run.start.utcoffset() == UTC.utcoffset(None)


def test_a_config_made_in_code_is_checked_like_a_file() -> None:
    config = RunConfig(
        run=RunSettings(name="code"),
        instruments=(
            Instrument(id="IBM.NYSE", price_increment=Decimal("0.01"), quantity_increment=Decimal(1), currency="USD"),
        ),
        strategies=(
            StrategySettings(path="tradecore.examples.sma_cross:SmaCross", params={"bar_type": "IBM.NYSE 1d last"}),
        ),
        brokers={"sim": SimulatedBrokerSettings(account="cash", cash={"USD": Decimal(5)})},
        delays={"bar": NormalDelay(mean_ms=5, sd_ms=1)},
    )
    checked = check_config(config, ["run.seed=3"])
    assert checked.run.seed == 3
    assert checked.strategies[0].broker == "sim"
    assert checked.delays == config.delays
    wrong = SimulatedBrokerSettings(account="cash", cash={"USD": Decimal(5)}, participation=Decimal(2))
    with pytest.raises(ConfigError, match=r"the configuration in code brokers\.sim\.participation: out of range"):
        check_config(RunConfig(run=config.run, strategies=config.strategies, brokers={"sim": wrong}))


@pytest.mark.parametrize("text", [MINIMAL, QUICKSTART.read_text()], ids=["minimal", "quickstart"])
def test_a_config_written_out_and_read_again_is_the_same(text: str) -> None:
    config = parse_config(text)
    assert config_from_tables(config.to_tables()) == config
    assert check_config(config) == config


def test_the_dict_for_run_json_is_json_and_knows_no_machine() -> None:
    first = json.dumps(load_config(QUICKSTART).to_dict())
    assert first == json.dumps(load_config(QUICKSTART).to_dict())
    assert str(QUICKSTART.parent) not in first
    assert json.loads(first)["brokers"]["sim"]["commission"] == {
        "type": "rate",
        "maker": "0.0002",
        "taker": "0.0005",
        "currency": "quote",
    }
    assert json.loads(first)["run"]["start"] == "2000-03-01T00:00:00Z"


# -------------------------------------------------------------------------------------------------------- mistakes


def test_a_mistake_prints_code_place_key_nearest_name_and_help() -> None:
    mistake = find_one(MINIMAL.replace("account = ", "latancy = { submit = { ms = 1 } }\naccount = "))
    assert str(mistake) == (
        'error[TC-CFG-012] x.toml:10:1 brokers.sim.latancy: unknown key (did you mean "latency"?)'
        "  help: write latency instead of latancy"
    )


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = """\
[run]
nam = "x"
start = 2013-01-01T00:00:00Z
end = 2000-01-01T00:00:00Z
sead = 7

[storage]
url = "sqllite:x.db"

[[strategies]]
path = "tradecore.examples.sma_cross:SmaCros"
broker = "sym"

[brokers.sim]
type = "simulated"
account = "credit"
cash = { USD = -5 }
bar_fill = "same_close"
latency = { submit = { type = "constant", ms = 3 } }
"""
    found = [(m.line, m.column, m.key, m.nearest) for m in find_mistakes(text)]
    assert found == [
        (2, 1, "run.nam", "name"),
        (4, 1, "run.end", None),
        (5, 1, "run.sead", "seed"),
        (8, 1, "storage.url", "sqlite"),
        (11, 1, "strategies[0].path", "tradecore.examples.sma_cross:SmaCross"),
        (12, 1, "strategies[0].broker", "sim"),
        (16, 1, "brokers.sim.account", None),
        (17, 10, "brokers.sim.cash.USD", None),
        (18, 1, "brokers.sim.bar_fill", None),
    ]


@pytest.mark.parametrize(
    ("override", "code", "key", "says"),
    [
        ("run.start=2000-03-01T00:00:00", "TC-CFG-016", "run.start", "write start = 2000-03-01T00:00:00Z"),
        ("run.start=2000-03-01", "TC-CFG-016", "run.start", "write start = 2000-03-01T00:00:00Z"),
        ("run.start=10:00:00", "TC-CFG-016", "run.start", "a date and time are needed"),
        ("run.start='soon'", "TC-CFG-011", "run.start", "expected a date and time with Z"),
        ("run.start=9999-12-31T23:59:59Z", "TC-CFG-013", "run.start", "2262"),
        ("run.seed=nan", "TC-CFG-011", "run.seed", "expected a whole number"),
        ("run.seed=-1", "TC-CFG-013", "run.seed", "0 or more"),
        (f"run.seed={10**30}", "TC-CFG-015", "run.seed", "finite number"),
        ("run.seed=true", "TC-CFG-011", "run.seed", "met true"),
        ("run.seed=7.5", "TC-CFG-011", "run.seed", "expected a whole number"),
        ("run.trace=1", "TC-CFG-011", "run.trace", "true or false"),
        ("run.name=a b/c", "TC-CFG-017", "run.name", 'write name = "a-b-c"'),
        ('run.name=""', "TC-CFG-011", "run.name", "empty"),
        ("run.mode=backtets", "TC-CFG-014", "run.mode", 'did you mean "backtest"?'),
        ("run.order_by=events", "TC-CFG-014", "run.order_by", 'did you mean "event"?'),
        ("brokers.sim.cash.USD=inf", "TC-CFG-015", "brokers.sim.cash.USD", "finite"),
        ("brokers.sim.cash.USD=1e400", "TC-CFG-015", "brokers.sim.cash.USD", "finite"),
        ("brokers.sim.cash=5", "TC-CFG-011", "brokers.sim.cash", "{ USD = 100000 }"),
        ("brokers.sim.latency=50", "TC-CFG-011", "brokers.sim.latency", "write latency = { submit = ... }"),
        ("brokers.sim.match_on=bar", "TC-CFG-011", "brokers.sim.match_on", "write match_on = { KEY = VALUE }"),
        ("brokers.sim.commission.type=flat", "TC-CFG-014", "brokers.sim.commission.type", '"fixed"'),
        ("brokers.sim.commission={maker=0.1}", "TC-CFG-010", "brokers.sim.commission.type", '"rate"'),
        ("brokers.sim.commission=5", "TC-CFG-011", "brokers.sim.commission", "type ="),
        ("brokers.sim.type=real", "TC-CFG-004", "brokers.sim.type", "not available"),
        ("brokers.sim.type=simulate", "TC-CFG-014", "brokers.sim.type", 'did you mean "simulated"?'),
        ("brokers.sim.latency.submit={type='constant',ms=-1}", "TC-CFG-013", "brokers.sim.latency.submit.ms", "0 or"),
        ("delays.bars={type='constant'}", "TC-CFG-012", "delays.bars", 'did you mean "bar"?'),
        ("delays=5", "TC-CFG-011", "delays", "a table is needed"),
        (
            "delays.bar={type='normal',mean_ms=1,sd_ms=1,min_ms=5,max_ms=2}",
            "TC-CFG-023",
            "delays.bar.max_ms",
            "at least min_ms",
        ),
        ("data.bundled=['IMB']", "TC-CFG-020", "data.bundled[0]", 'did you mean "IBM"?'),
        ("data.bundled=['IBM','IBM']", "TC-CFG-018", "data.bundled[1]", "twice"),
        ("storage.url=market.db", "TC-CFG-020", "storage.url", '"sqlite:PATH"'),
        ("storage.url=parquet:", "TC-CFG-017", "storage.url", "names no path"),
        ("storage.url=memory:x", "TC-CFG-017", "storage.url", "has no path"),
        ("venues.x.url=1", "TC-CFG-012", "venues.x.url", 'did you mean "api_url"?'),
        ("venues.x.type=coinbase", "TC-CFG-014", "venues.x.type", 'type = "binance"'),
        ("venues.x.type=binance", "TC-CFG-023", "venues", 'write mode = "live"'),
        ("handover.on_broken=halt", "TC-CFG-023", "handover", 'write mode = "live"'),
        ("run.warmup=30d", "TC-CFG-023", "run.warmup", 'write mode = "live"'),
        ("run.warmup=-5", "TC-CFG-011", "run.warmup", 'write warmup = "30d"'),
        ("run.warmup=30x", "TC-CFG-017", "run.warmup", 'write warmup = "30d"'),
        ("handover.overlap_s=-1", "TC-CFG-013", "handover.overlap_s", "0 or more"),
        ("strategies[0].broker=sin", "TC-CFG-020", "strategies[0].broker", 'did you mean "sim"?'),
        ("strategies[0].path=strategy.py", "TC-CFG-017", "strategies[0].path", "package.module:Class"),
        ("strategies[0].path=tradecore.exampels.x:Y", "TC-CFG-021", "strategies[0].path", "tradecore.examples"),
        ("strategies[0].path=decimal:Decimal", "TC-CFG-021", "strategies[0].path", "is no Strategy"),
        ("strategies[0].params.fst=3", "TC-CFG-022", "strategies[0].params.fst", 'did you mean "fast"?'),
        ("strategies[0].params.fast=2.5", "TC-CFG-022", "strategies[0].params.fast", "a whole number"),
        ("strategies[0].params.fast=nan", "TC-CFG-015", "strategies[0].params.fast", "met NaN"),
        ("strategies[0].params.bar_type=IBM", "TC-CFG-017", "strategies[0].params.bar_type", "INSTRUMENT STEP PRICE"),
        ("strategies[0].params={}", "TC-CFG-022", "strategies[0].params.bar_type", "needs this parameter"),
        ("strategies=[]", "TC-CFG-010", "strategies", "at least one strategy"),
        ("strategies={}", "TC-CFG-011", "strategies", "double brackets"),
        ("instruments=[{id='A.B'}]", "TC-CFG-010", "instruments[0].currency", "missing"),
    ],
)
def test_a_mistake_says_where_and_what_to_type(override: str, code: str, key: str, says: str) -> None:
    mistakes = find_mistakes(MINIMAL, override)
    first = next((m for m in mistakes if m.code == code and m.key == key), None)
    assert first is not None, [str(m) for m in mistakes]
    assert says in str(first)
    assert first.source == f"--set {override}"
    assert first.line is None


def test_an_unknown_instrument_in_a_param_names_the_nearest_one() -> None:
    text = QUICKSTART.read_text().replace('"IBM.NYSE 1d last"', '"IBN.NYSE 1d last"')
    mistake = find_one(text)
    assert (mistake.key, mistake.nearest) == ("strategies[0].params.bar_type", "IBM.NYSE")
    assert text.splitlines()[(mistake.line or 0) - 1].startswith("params")


def test_without_any_instruments_table_the_store_defines_them() -> None:
    assert parse_config(MINIMAL, ["strategies[0].params.bar_type=OTHER.X 1m bid"]).instruments == ()


def test_duplicates_are_named_with_the_first() -> None:
    instrument = '[[instruments]]\nid = "IBM.NYSE"\nprice_increment = 1\nquantity_increment = 1\ncurrency = "USD"\n'
    mistake = find_one(MINIMAL + instrument + instrument)
    assert (mistake.code, mistake.key, mistake.line) == ("TC-CFG-018", "instruments[1].id", 18)
    again = MINIMAL.replace("[brokers", '[[strategies]]\npath = "tradecore.examples.sma_cross:SmaCross"\n\n[brokers')
    mistakes = find_mistakes(again, 'strategies[1].params={bar_type="A.B 1d"}')
    assert [(m.code, m.key) for m in mistakes] == [("TC-CFG-018", "strategies[1].name")]
    assert 'name = "SmaCross-2"' in mistakes[0].help


def test_cash_in_another_currency_than_the_instruments_is_refused_unless_it_converts() -> None:
    usd = '[[instruments]]\nid = "IBM.NYSE"\nprice_increment = 1\nquantity_increment = 1\ncurrency = "USD"\n'
    eurusd = (
        '[[instruments]]\nid = "EURUSD.FX"\nprice_increment = 1\nquantity_increment = 1\n'
        'currency = "USD"\nbase_currency = "EUR"\n'
    )
    mistakes = find_mistakes(MINIMAL + usd, "brokers.sim.cash={EUR=5}")
    assert [m.key for m in mistakes] == ["brokers.sim.cash.EUR", "brokers.sim.cash"]
    assert "IBM.NYSE is priced in USD" in mistakes[1].problem
    both = parse_config(MINIMAL + usd + eurusd, ["brokers.sim.cash={USD=1,EUR=5}"])
    assert both.brokers["sim"].cash == {"USD": Decimal(1), "EUR": Decimal(5)}


def test_an_instrument_that_a_strategy_names_is_priced_in_the_money_of_its_account() -> None:
    """Else the first order would be refused in the middle of the run; watching others is nobody's mistake."""
    gbp = (
        '[[instruments]]\nid = "EURGBP.FX"\nprice_increment = 1\nquantity_increment = 1\n'
        'currency = "GBP"\nbase_currency = "EUR"\n'
    )
    text = MINIMAL.replace("IBM.NYSE 1d last", "EURGBP.FX 1d bid") + gbp
    mistake = find_one(text, "brokers.sim.cash={EUR=5,GBP=5}")  # there is a way from one to the other
    assert (mistake.code, mistake.key, mistake.line) == ("TC-CFG-023", "strategies[0].params.bar_type", 6)
    assert "EURGBP.FX is priced in GBP" in mistake.problem
    assert "is in EUR, the first currency of brokers.sim.cash" in mistake.problem
    assert "write cash = { GBP = 100000 } below [brokers.sim]" in mistake.help
    parse_config(text, ["brokers.sim.cash={GBP=5,EUR=5}"])
    other = '\n[brokers.pounds]\ntype = "simulated"\naccount = "cash"\ncash = { GBP = 1000 }\n'
    parse_config(text + other, ["strategies[0].broker=pounds", "brokers.sim.cash={EUR=5}"])
    usd = '[[instruments]]\nid = "IBM.NYSE"\nprice_increment = 1\nquantity_increment = 1\ncurrency = "USD"\n'
    watched = '[[instruments]]\nid = "EURUSD.FX"\nprice_increment = 1\nquantity_increment = 1\n'
    parse_config(MINIMAL + usd + gbp + watched + 'currency = "USD"\nbase_currency = "EUR"\n')
    bundled = MINIMAL + '\n[data]\nbundled = ["IBM"]\n'  # its definition comes with it
    assert find_one(bundled, "brokers.sim.cash={EUR=5}").key == "strategies[0].params.bar_type"


def test_the_order_by_event_time_is_refused_together_with_delays() -> None:
    mistake = find_one(MINIMAL, "run.order_by=event", "delays.bar={type='constant',ms=1}")
    assert (mistake.code, mistake.key) == ("TC-CFG-023", "delays.bar")
    assert parse_config(MINIMAL, ["run.order_by=event", "delays.bar={type='constant',ms=0}"]).run.order_by == "event"


def test_several_brokers_must_be_told_apart() -> None:
    text = MINIMAL + '[brokers.other]\ntype = "simulated"\naccount = "cash"\ncash = { USD = 1 }\n'
    mistake = find_one(text)
    assert (mistake.key, mistake.help) == ("strategies[0].broker", 'write broker = "sim"')


# ------------------------------------------------------------------------------------------------ files, overrides


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[run]\nname = \n", 2, "not TOML"),
        ("[run]\nname = 'x'\nname = 'y'\n", 3, "run.name: this key stands here for the second time"),
        ("[run]\nname = 'x'\n[run]\n", 3, "second time"),
        ("[run\n", 1, "not TOML"),
    ],
)
def test_a_syntax_mistake_names_its_line(text: str, line: int, says: str) -> None:
    mistake = find_one(text)
    assert (mistake.code, mistake.line) == ("TC-CFG-002", line)
    assert says in str(mistake)


def test_a_number_of_thousands_of_digits_is_no_crash() -> None:
    assert find_one(f"x = {'9' * 5000}").code == "TC-CFG-002"


def test_a_missing_file_names_the_configurations_beside_it(tmp_path: Path) -> None:
    (tmp_path / "right.toml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match=r"TC-CFG-001.*No such file.*right\.toml"):
        load_config(tmp_path / "wrong.toml")
    with pytest.raises(ConfigError, match=r"TC-CFG-001.*right\.toml"):
        load_config(tmp_path)


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"[run]\nname = '\xff'\n")
    with pytest.raises(ConfigError, match=r"x\.toml:2:1 byte 0xff is not UTF-8"):
        load_config(file)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("run.seed", "expected KEY=VALUE"),
        ("=5", "expected KEY=VALUE"),
        ("a..b=5", "expected KEY=VALUE"),
        ("strategies[4].broker=sim", "there is no entry 4; the list has 1 entry"),
        ("strategies.x.broker=sim", "there is no entry x"),
        ("run.name.first=x", "this is a value, not a table"),
    ],
)
def test_an_override_that_cannot_be_applied_says_why(override: str, says: str) -> None:
    mistake = find_one(MINIMAL, override)
    assert mistake.code == "TC-CFG-003"
    assert mistake.source == f"--set {override}"
    assert says in str(mistake)


def test_overrides_reach_lists_by_dot_and_by_bracket_and_make_tables() -> None:
    config = parse_config(
        MINIMAL,
        [
            "strategies.0.params.fast=5",
            "strategies[0].params.slow=6",
            "brokers.sim.slippage={type='ticks', ticks=2}",
            'brokers.sim.spread."IBM.NYSE"=0.5',
            "storage.url=memory:",
        ],
    )
    assert config.strategies[0].params["fast"] == 5
    assert config.strategies[0].params["slow"] == 6
    assert config.brokers["sim"].slippage == TickSlippage(ticks=Decimal(2))
    assert config.brokers["sim"].spread == {"IBM.NYSE": Decimal("0.5")}
    assert config.storage.url == "memory:"


def test_an_override_cannot_smuggle_in_a_second_key() -> None:
    mistake = find_one(MINIMAL, "run.seed=1\nname='x'")
    assert (mistake.code, mistake.key) == ("TC-CFG-011", "run.seed")  # the whole is taken as text


def test_a_mistake_in_an_overridden_table_names_the_override_and_others_the_file() -> None:
    mistakes = find_mistakes(MINIMAL.replace("account", "acount"), "brokers.sim.latency={submt={type='constant'}}")
    assert [(m.source, m.nearest) for m in mistakes] == [
        ("x.toml", "account"),
        ("--set brokers.sim.latency={submt={type='constant'}}", "submit"),
    ]


@pytest.mark.parametrize(("written", "said"), [('"250"', "write USD = 250"), ('"much"', "write USD = 0.01")])
def test_a_number_in_quotes_is_shown_without_them(written: str, said: str) -> None:
    """The help must keep the user's number: `USD = 0.01` would be another one."""
    assert find_one(MINIMAL.replace("USD = 1000", f"USD = {written}")).help == said


def test_what_can_not_be_matched_on_is_found_with_its_line() -> None:
    """A run would only say so at its start."""
    mistake = find_one(MINIMAL + 'match_on = { "IBM.NYSE" = "deph" }\n')
    assert mistake.line == MINIMAL.count("\n") + 1
    assert mistake.help == 'write "IBM.NYSE" = "depth"'


def test_a_key_in_a_help_is_written_as_toml_wants_it() -> None:
    """An instrument id as a key needs quotes: without them its dot would make a table."""
    assert find_one(MINIMAL + 'spread = { "IBM.NYSE" = "x" }\n').help == 'write "IBM.NYSE" = 0.01'
    said = find_one(MINIMAL + 'spread = { "IBM.NYSE" = -1 }\n').help
    assert said == 'write "IBM.NYSE" = a number that is 0 or more'


def test_slippage_down_a_synthetic_depth_is_read_and_checked() -> None:
    text = MINIMAL + 'slippage = { type = "depth", level_size = 5, level_ticks = 2, jitter = 0.25 }\n'
    slippage = parse_config(text).brokers["sim"].slippage
    assert slippage == DepthSlippage(level_size=Decimal(5), level_ticks=Decimal(2), jitter=Decimal("0.25"))
    assert "jitter" in str(find_one(text.replace("0.25", "1")))
    assert "level_size" in str(find_one(MINIMAL + 'slippage = { type = "depth" }\n'))
