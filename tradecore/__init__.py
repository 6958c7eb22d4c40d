"""tradecore: an asyncio-native trading runtime. One engine for backtest, warm-up and live trading.

What a strategy author types is here; stores, venues and the command line are loaded only by what uses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradecore.domain.account_adjustment import AccountAdjusted, AccountAdjustment, AdjustmentKind
from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import Event
from tradecore.domain.execution import BrokerSource, Execution, Liquidity
from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order, OrderSide, OrderType, TimeInForce
from tradecore.domain.order_events import (
    GroupClosing,
    OrderUpdated,
    PositionChanged,
    PositionClosed,
    PositionDecreased,
    PositionIncreased,
    PositionOpened,
)
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import Contingency, OrderRole
from tradecore.domain.phase import Phase, PhaseChanged
from tradecore.domain.position import Position
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.time_event import OneTimeEvent, RepeatingEvent
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.strategy.strategy import Strategy

if TYPE_CHECKING:
    from tradecore.brokerage.settings import (
        BasisPointSlippage,
        DepthSlippage,
        FixedCommission,
        Latency,
        PerUnitCommission,
        RateCommission,
        SimulatedBrokerSettings,
        TickSlippage,
    )
    from tradecore.domain.delay_law import ConstantDelay, LognormalDelay, NormalDelay
    from tradecore.engine.message_bus import MessageBus
    from tradecore.feeds.columns_feed import BarColumnsFeed, QuoteColumnsFeed, TradeColumnsFeed
    from tradecore.feeds.iterator_feed import feed
    from tradecore.feeds.mixed_feed import MixedFeed
    from tradecore.feeds.push_feed import PushFeed
    from tradecore.runtime.live_settings import HandoverSettings, VenueSettings
    from tradecore.runtime.run_backtest import run_backtest, run_backtest_sync
    from tradecore.runtime.run_live import run_live
    from tradecore.runtime.run_result import RunResult
    from tradecore.storage.open_storage import open_storage
    from tradecore.strategy.opportunity import Opportunity
    from tradecore.strategy.opportunity_management import BreakEven, TrailStop
    from tradecore.strategy.opportunity_manager import OpportunityManager
    from tradecore.strategy.opportunity_state import OpportunityChanged, OpportunityEnd, OpportunityState

__version__ = "0.1.0"

# Loaded on first use: each of these draws in a library or a layer that a strategy module does not need.
_LAZY = {
    "BarColumnsFeed": "tradecore.feeds.columns_feed",
    "BasisPointSlippage": "tradecore.brokerage.settings",
    "BreakEven": "tradecore.strategy.opportunity_management",
    "ConstantDelay": "tradecore.domain.delay_law",
    "DepthSlippage": "tradecore.brokerage.settings",
    "FixedCommission": "tradecore.brokerage.settings",
    "HandoverSettings": "tradecore.runtime.live_settings",
    "Latency": "tradecore.brokerage.settings",
    "LognormalDelay": "tradecore.domain.delay_law",
    "MessageBus": "tradecore.engine.message_bus",
    "MixedFeed": "tradecore.feeds.mixed_feed",
    "NormalDelay": "tradecore.domain.delay_law",
    "Opportunity": "tradecore.strategy.opportunity",
    "OpportunityChanged": "tradecore.strategy.opportunity_state",
    "OpportunityEnd": "tradecore.strategy.opportunity_state",
    "OpportunityManager": "tradecore.strategy.opportunity_manager",
    "OpportunityState": "tradecore.strategy.opportunity_state",
    "PerUnitCommission": "tradecore.brokerage.settings",
    "PushFeed": "tradecore.feeds.push_feed",
    "QuoteColumnsFeed": "tradecore.feeds.columns_feed",
    "RateCommission": "tradecore.brokerage.settings",
    "RunResult": "tradecore.runtime.run_result",
    "SimulatedBrokerSettings": "tradecore.brokerage.settings",
    "TickSlippage": "tradecore.brokerage.settings",
    "TradeColumnsFeed": "tradecore.feeds.columns_feed",
    "TrailStop": "tradecore.strategy.opportunity_management",
    "VenueSettings": "tradecore.runtime.live_settings",
    "feed": "tradecore.feeds.iterator_feed",
    "open_storage": "tradecore.storage.open_storage",
    "run_backtest": "tradecore.runtime.run_backtest",
    "run_backtest_sync": "tradecore.runtime.run_backtest",
    "run_live": "tradecore.runtime.run_live",
}

__all__ = [
    "AccountAdjusted",
    "AccountAdjustment",
    "AdjustmentKind",
    "Aggressor",
    "Bar",
    "BarColumnsFeed",
    "BarType",
    "BasisPointSlippage",
    "BreakEven",
    "BrokerSource",
    "ConstantDelay",
    "Contingency",
    "DepthSlippage",
    "DepthSnapshot",
    "Event",
    "Execution",
    "FeedState",
    "FeedStateChanged",
    "FixedCommission",
    "GroupClosing",
    "HandoverSettings",
    "Instrument",
    "Latency",
    "Liquidity",
    "LognormalDelay",
    "MessageBus",
    "MixedFeed",
    "NormalDelay",
    "OneTimeEvent",
    "Opportunity",
    "OpportunityChanged",
    "OpportunityEnd",
    "OpportunityManager",
    "OpportunityState",
    "Order",
    "OrderGroup",
    "OrderRole",
    "OrderSide",
    "OrderState",
    "OrderType",
    "OrderUpdated",
    "PerUnitCommission",
    "Phase",
    "PhaseChanged",
    "Position",
    "PositionChanged",
    "PositionClosed",
    "PositionDecreased",
    "PositionIncreased",
    "PositionOpened",
    "PushFeed",
    "QuoteColumnsFeed",
    "QuoteTick",
    "RateCommission",
    "RepeatingEvent",
    "RunResult",
    "SimulatedBrokerSettings",
    "Strategy",
    "TickSlippage",
    "TimeInForce",
    "TradeColumnsFeed",
    "TradeTick",
    "TrailStop",
    "VenueSettings",
    "feed",
    "open_storage",
    "run_backtest",
    "run_backtest_sync",
    "run_live",
]


def __getattr__(name: str) -> Any:
    """Load a word on first use."""
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'tradecore' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(module), name)
    globals()[name] = value
    return value
