"""One thing has one word (DESIGN 3; STYLE 1, 30): the word map, and the synonyms that must not creep in."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

# Each word of the specification, and the file that is named after it or holds its family. A word that is added or
# changed changes this map in the same commit. Words of later issues (RealBroker, Opportunity) join it
# when they are built.
WORD_MAP = {
    "Event": "domain/event.py",
    "Bar": "domain/bar.py",
    "BarType": "domain/bar_type.py",
    "TradeTick": "domain/trade_tick.py",
    "QuoteTick": "domain/quote_tick.py",
    "DepthSnapshot": "domain/depth_snapshot.py",
    "OneTimeEvent": "domain/time_event.py",
    "RepeatingEvent": "domain/time_event.py",
    "Instrument": "domain/instrument.py",
    "Order": "domain/order.py",
    "OrderGroup": "domain/order_group.py",
    "OrderUpdated": "domain/order_events.py",
    "Execution": "domain/execution.py",
    "Position": "domain/position.py",
    "Phase": "domain/phase.py",
    "EventFeed": "feeds/event_feed.py",
    "HistoricalBarFeed": "feeds/historical_feeds.py",
    "HistoricalTradeFeed": "feeds/historical_feeds.py",
    "HistoricalQuoteFeed": "feeds/historical_feeds.py",
    "LiveBarFeed": "feeds/live.py",
    "LiveTradeFeed": "feeds/live.py",
    "LiveQuoteFeed": "feeds/live.py",
    "LiveBuffer": "feeds/live_buffer.py",
    "HandoverReport": "runtime/handover_report.py",
    "OrderGate": "runtime/order_gate.py",
    "MixedFeed": "feeds/mixed_feed.py",
    "PushFeed": "feeds/push_feed.py",
    "TimerFeed": "feeds/timer_feed.py",
    "BarAggregationFeed": "feeds/bar_aggregation_feed.py",
    "MarketDataStorage": "storage/market_data_storage.py",
    "DelaySimulator": "engine/delay_simulator.py",
    "MessageBus": "engine/message_bus.py",
    "Subscription": "engine/subscription.py",
    "EventQueue": "engine/event_queue.py",
    "TradingEngine": "engine/trading_engine.py",
    "Strategy": "strategy/strategy.py",
    "Opportunity": "strategy/opportunity.py",
    "ExecutionEngine": "execution/execution_engine.py",
    "BrokerageProvider": "brokerage/brokerage_provider.py",
    "SimulatedBroker": "brokerage/simulated_broker.py",
    "PerformanceAnalyzer": "analytics/performance_analyzer.py",
    "PerformanceStatistics": "analytics/performance_statistics.py",
    "SMA": "indicators/sma.py",
}

# What must not stand as a word inside a name, and the word to use.
FORBIDDEN_WORDS = {
    "fill": "execution",
    "fills": "executions",
    "deal": "execution",
    "deals": "executions",
    "catalog": "MarketDataStorage",
    "datastore": "MarketDataStorage",
}

# Names that DESIGN itself gives, or in which the word is a verb of another subject.
ALLOWED_NAMES = {
    "bar_fill": "the setting's name in EXECUTION 6 and DESIGN 13",
    "_fill": "a verb: a table of routes is filled",
}


@pytest.mark.parametrize(("word", "path"), WORD_MAP.items())
def test_each_word_of_the_specification_has_its_file(modules: list[Any], word: str, path: str) -> None:
    """Who knows the specification finds the code."""
    trees = [module.tree for module in modules if module.path == f"tradecore/{path}"]
    assert trees, f"tradecore/{path} is missing; it should define {word}"
    assert word in {node.name for node in trees[0].body if isinstance(node, ast.ClassDef)}


def test_no_name_calls_a_thing_by_another_word(modules: list[Any]) -> None:
    """An Execution is never a fill or a deal, the store is never a catalog."""
    faults = [
        f"{module.path}:{line}: {name} (say {FORBIDDEN_WORDS[word]})"
        for module in modules
        for name, line in _names(module.tree)
        if name not in ALLOWED_NAMES
        for word in _words(name)
        if word in FORBIDDEN_WORDS
    ]
    assert not faults, "\n".join(faults)


def test_words_are_found_inside_names_of_either_style() -> None:
    assert list(_words("_on_fill2")) == ["on", "fill"]
    assert list(_words("PartialFill")) == ["partial", "fill"]
    assert list(_words("PARTIALLY_FILLED")) == ["partially", "filled"]
    assert list(_words("HTTPDealCache")) == ["http", "deal", "cache"]


def _words(name: str) -> Iterator[str]:
    for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name):
        yield part.lower()


def _names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name that a module gives to something, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
