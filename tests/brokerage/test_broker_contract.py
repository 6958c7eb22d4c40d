"""The SimulatedBroker keeps what every broker promises, with and without latency."""

from decimal import Decimal
from typing import Any

from tradecore.brokerage.settings import Latency, RateCommission, SimulatedBrokerSettings
from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain.delay_law import ConstantDelay, LognormalDelay
from tradecore.engine.timeline import Timeline
from tradecore.testing.broker_contract import BrokerContract

CASH = {"USD": Decimal(1_000_000)}


class TestSimulatedBroker(BrokerContract):
    def make_broker(self, timeline: Timeline) -> Any:
        settings = SimulatedBrokerSettings(account="margin", cash=CASH)
        return SimulatedBroker("sim", settings, seed=1, timeline=timeline)


class TestSimulatedBrokerFarAway(BrokerContract):
    def make_broker(self, timeline: Timeline) -> Any:
        far = LognormalDelay(median_ms=80, sigma=0.5, max_ms=400)
        settings = SimulatedBrokerSettings(
            account="margin",
            cash=CASH,
            latency=Latency(submit=far, cancel=ConstantDelay(ms=5), update=far, report=far),
            commission=RateCommission(maker=Decimal("-0.0001"), taker=Decimal("0.0005")),
        )
        return SimulatedBroker("far", settings, seed=1, timeline=timeline)
