"""The account in a configuration: margins, commission currencies, borrowing, [[adjustments]]. EXECUTION 9."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tradecore as tc
from tradecore.errors import ConfigError
from tradecore.runtime.config import check_config, load_config, parse_config
from tradecore.testing.builders import make_bars, make_instrument

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.toml"

MINE = """
[run]
name = "x"
start = 2001-01-02T00:00:00Z
end = 2001-03-01T00:00:00Z

[data]
bundled = ["IBM"]

[storage]
url = "memory:"

[[strategies]]
path = "tradecore.examples.sma_cross:SmaCross"
params = { bar_type = "IBM.NYSE 1d last" }

[brokers.sim]
type = "simulated"
account = "margin"
cash = { USD = 100000 }
initial_margin = 0.4
maintenance_margin = 0.3
on_breach = "halt"
no_short = ["IBM.NYSE"]
borrow_rate = 0.02
commission = { type = "per_unit", amount = 0.01, minimum = 1, currency = "USD" }

[[adjustments]]
kind = "dividend"
instrument = "IBM.NYSE"
at = 2001-02-07T14:30:00Z
value = 0.13

[[adjustments]]
kind = "interest"
currency = "USD"
at = 2001-02-01T00:00:00Z
value = 0.004
broker = "sim"
"""


def test_every_setting_of_an_account_is_read_and_written_again() -> None:
    config = parse_config(MINE)
    sim = config.brokers["sim"]
    assert (sim.initial_margin, sim.maintenance_margin, sim.on_breach) == (Decimal("0.4"), Decimal("0.3"), "halt")
    assert (sim.no_short, sim.borrow_rate, sim.commission.currency) == (("IBM.NYSE",), Decimal("0.02"), "USD")
    events = [table.to_event() for table in config.adjustments]
    assert [(event.kind.name, event.value, event.broker) for event in events] == [
        ("DIVIDEND", Decimal("0.13"), None),
        ("INTEREST", Decimal("0.004"), "sim"),
    ]
    assert check_config(config) == config


@pytest.mark.parametrize(
    ("override", "key", "says"),
    [
        ("brokers.sim.maintenance_margin=0.5", "brokers.sim.maintenance_margin", "above initial_margin"),
        ("brokers.sim.borrow_rate=-1", "brokers.sim.borrow_rate", "0 or more"),
        ('brokers.sim.on_breach="hlt"', "brokers.sim.on_breach", "halt"),
        ('brokers.sim.no_short=["IBN.NYSE"]', "brokers.sim.no_short[0]", "IBM.NYSE"),
        ('adjustments[0].kind="divident"', "adjustments[0].kind", "dividend"),
        ('adjustments[0].instrument="IBN.NYSE"', "adjustments[0].instrument", "IBM.NYSE"),
        ("adjustments[0].value=0", "adjustments[0]", "expected above 0"),
        ('adjustments[1].instrument="IBM.NYSE"', "adjustments[1]", "no instrument"),
        ('adjustments[1].broker="sin"', "adjustments[1].broker", "sim"),
        ("adjustments=3", "adjustments", "double brackets"),
    ],
)
def test_a_mistake_in_an_account_says_where_and_what(override: str, key: str, says: str) -> None:
    overrides = [override]
    if key.endswith("no_short[0]") or "instrument=" in override:
        overrides.append("instruments=[{id='IBM.NYSE', price_increment=0.01, quantity_increment=1, currency='USD'}]")
    with pytest.raises(ConfigError) as caught:
        parse_config(MINE, overrides)
    found: Any = [mistake for mistake in caught.value.mistakes if getattr(mistake, "key", "") == key]
    assert found, [str(mistake) for mistake in caught.value.mistakes]
    assert says in str(found[0])


class HoldsIbm(tc.Strategy):
    """Buys 100 on the first bar."""

    def on_start(self) -> None:
        days = make_bars([100.0, 100.0, 101.0, 102.0], start="2001-01-02", bar_type="IBM.NYSE 1d last")
        self.add_event_feed(tc.feed(days, name="days"), "days")

    def on_bar(self, bar: tc.Bar) -> None:
        if not self.position(bar.instrument).quantity and not self.orders():
            self.submit_order(tc.Order.market(bar.instrument, 100))


async def test_adjustments_of_a_run_are_booked_and_written_down(tmp_path: Path) -> None:
    """100 shares of 0.13 are 13 USD; 0.4 % of 90,013 USD are 360.052."""
    config = parse_config(MINE)
    at = datetime(2001, 1, 5, 12, tzinfo=UTC)
    dividend, interest = (
        msgspec.structs.replace(table, at=at + timedelta(hours=n)).to_event()
        for n, table in enumerate(config.adjustments)
    )
    result = await tc.run_backtest(
        strategies=HoldsIbm(),
        instruments=[make_instrument("IBM.NYSE")],
        brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(100_000)})},
        adjustments=[interest, dividend],
        runs_dir=tmp_path,
    )
    assert result.run_folder is not None
    records = [json.loads(line) for line in (result.run_folder / "events.jsonl").read_text().splitlines()]
    told = [(r["kind"], r["adjustment"], r["currency"], Decimal(r["amount"])) for r in records]
    assert told == [
        ("account_adjustment", "DIVIDEND", "USD", Decimal(13)),
        ("account_adjustment", "INTEREST", "USD", Decimal("360.052")),
    ]
    facts = json.loads((result.run_folder / "run.json").read_text())
    assert Decimal(facts["accounts"]["sim"]["cash"]["USD"]) == Decimal("90373.052")
    assert result.statistics.final_equity == Decimal("90373.052") + 100 * 102


def test_the_quickstart_has_no_adjustments() -> None:
    assert load_config(QUICKSTART).adjustments == ()
