"""The market as one object: ids without holes, bars of the venue's own trades, sources that repeat themselves."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import islice, pairwise

import pytest

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import HOUR_NS, MINUTE_NS, SECOND_NS, format_ns
from tradecore.domain.instrument import Instrument
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import LocalVenueError
from tradecore.storage.memory_storage import MemoryStorage
from tradecore.testing.local_venue import LocalVenue, SyntheticSource, VenueSettings
from tradecore.testing.local_venue.bar_series import make_interval_finder
from tradecore.testing.local_venue.store_source import open_store_source
from tradecore.testing.local_venue.trade_tape import TradeTape
from tradecore.testing.local_venue.venue_action import PrintTrade, VenueAction
from tradecore.testing.local_venue.venue_event import VenueTrade
from tradecore.testing.local_venue.venue_instrument import NumberGrid, VenueInstrument, split_symbol

START_NS = 1_704_189_600 * SECOND_NS  # 2024-01-02T10:00:00Z, a Tuesday


def make_venue_trade(number: int, seconds: float, price: int, size: int) -> VenueTrade:
    at_ns = START_NS + int(seconds * SECOND_NS)
    return VenueTrade("BTCUSDT", at_ns, at_ns, number, price, size, buyer_is_maker=False)


def test_numbers_have_the_digits_of_their_increment() -> None:
    grid = NumberGrid(Decimal("0.10"))
    assert grid.text(618_002) == "61800.20"
    assert grid.count("61800.20") == 618_002
    assert NumberGrid(Decimal(5)).text(3) == "15"
    # 3 x 0.10 at 7 x 0.001 is 0.0021, with 2 + 3 digits
    assert grid.product_text(NumberGrid(Decimal("0.001")), 21) == "0.00210"
    with pytest.raises(LocalVenueError, match="expected a number above 0"):
        NumberGrid(Decimal(0))


def test_names_are_those_of_each_dialect() -> None:
    def make(base: str, quote: str) -> VenueInstrument:
        return VenueInstrument(base, quote, Decimal("0.1"), Decimal("0.001"))

    assert [make("BTC", "USD").kraken_pair, make("BTC", "USD").kraken_altname] == ["XXBTZUSD", "XBTUSD"]
    assert [make("BTC", "USDT").kraken_pair, make("SOL", "USD").kraken_pair] == ["XBTUSDT", "SOLUSD"]
    assert [make("BTC", "USD").symbol, make("BTC", "USD").kraken_symbol] == ["BTCUSD", "BTC/USD"]
    assert [split_symbol(name) for name in ("BTCUSDT", "ETH/EUR", "sol-usd", "IBM")] == [
        ("BTC", "USDT"), ("ETH", "EUR"), ("SOL", "USD"), ("IBM", "USD"),
    ]  # fmt: skip


def test_bars_have_no_holes_and_the_quiet_ones_repeat_the_last_close() -> None:
    tape = TradeTape()
    for trade in [make_venue_trade(1, 1, 100, 2), make_venue_trade(2, 59, 104, 1), make_venue_trade(3, 121, 99, 5)]:
        tape.add(trade)
    bars = tape.bars("1m", START_NS + 200 * SECOND_NS)
    assert [(b.open, b.high, b.low, b.close, b.volume, b.count, b.first_id) for b in bars] == [
        (100, 104, 100, 104, 3, 2, 1),
        (104, 104, 104, 104, 0, 0, -1),
        (99, 99, 99, 99, 5, 1, 3),
        (99, 99, 99, 99, 0, 0, -1),
    ]
    assert [bar.value for bar in bars] == [2 * 100 + 104, 0, 5 * 99, 0]


def test_a_recorded_trade_that_is_late_is_in_the_bar_of_its_time() -> None:
    tape = TradeTape()
    for trade in [make_venue_trade(1, 1, 100, 2), make_venue_trade(2, 61, 104, 1), make_venue_trade(3, 59.9, 90, 1)]:
        tape.add(trade)
    assert [(bar.low, bar.count) for bar in tape.bars("1m", START_NS + 61 * SECOND_NS)] == [(90, 2), (104, 1)]


@pytest.mark.parametrize(
    ("interval", "start", "length_s"),
    [("1w", "2024-01-01", 7 * 86_400), ("1M", "2024-01-01", 31 * 86_400), ("1h", "2024-01-02T10", 3_600)],
)
def test_weeks_begin_on_monday_and_months_on_the_first(interval: str, start: str, length_s: int) -> None:
    begin, end = make_interval_finder(interval)(START_NS + 1)
    assert format_ns(begin).startswith(start)
    assert end - begin == length_s * SECOND_NS


def test_trades_of_one_taker_are_one_aggregated_trade() -> None:
    tape = TradeTape()
    for trade in [make_venue_trade(7, 1, 100, 2), make_venue_trade(8, 1, 100, 3), make_venue_trade(9, 1, 101, 1)]:
        tape.add(trade)
    assert [(row.aggregate_id, row.first_id, row.last_id, row.size) for row in tape.aggregated()] == [
        (1, 7, 8, 5), (2, 9, 9, 1),
    ]  # fmt: skip


async def test_an_id_that_goes_back_is_an_error_of_the_recording(
    drive_venue: Callable[..., object], make_trade: Callable[..., PrintTrade]
) -> None:
    venue = await drive_venue([make_trade(1, "100", "1", trade_id=5), make_trade(2, "100", "1", trade_id=5)])  # type: ignore[misc]
    with pytest.raises(LocalVenueError, match="trade 5 of BTCUSDT comes after trade 5"):
        await venue.to(3)


# ------------------------------------------------------------------------------------------------------ synthetic


def take(source: SyntheticSource, count: int) -> list[VenueAction]:
    return list(islice(source.actions(), count))


def test_the_same_seed_makes_the_same_market_and_another_one_another() -> None:
    first, again, other = (take(SyntheticSource(START_NS, seed=seed), 2_000) for seed in (7, 7, 8))
    assert first == again
    assert first != other
    assert all(before.at_ns <= after.at_ns for before, after in pairwise(first))


async def test_a_synthetic_market_is_never_crossed_and_its_ids_have_no_holes() -> None:
    source = SyntheticSource(START_NS, seed=3, history_ns=10 * MINUTE_NS)
    venue = LocalVenue(source, monotonic_ns=lambda: 0)
    await venue.play.prepare()
    truth = venue.truth()
    for symbol in ("BTCUSDT", "ETHUSDT", "BTCUSD"):
        trades, changes = truth.trades(symbol), truth.book_changes(symbol)
        assert [trade.trade_id for trade in trades] == list(range(1, len(trades) + 1))
        assert len(trades) > 500, "10 minutes of about 2.5 trades a second"
        assert all(after.first_id == before.last_id + 1 for before, after in pairwise(changes))
        assert all(quote.bid_price < quote.ask_price for quote in truth.quotes(symbol))
    assert sum(venue.market.ledger.base_balances.values()) == 0
    assert sum(venue.market.ledger.quote_balances.values()) == 0
    assert len(venue.market.executions) == sum(len(truth.trades(symbol)) for symbol in venue.market.pairs)


async def test_a_venue_that_runs_for_days_may_keep_its_trades_alone() -> None:
    source = SyntheticSource(START_NS, seed=3, history_ns=MINUTE_NS)
    venue = LocalVenue(source, VenueSettings(keeps_truth=False), lambda: 0)
    await venue.play.prepare()
    assert venue.market.published > len(venue.market.pairs["BTCUSDT"].tape.trades) > 50
    assert venue.market.executions == []
    with pytest.raises(LocalVenueError, match="keeps no truth"):
        venue.truth()


def test_a_market_of_nothing_is_refused() -> None:
    with pytest.raises(LocalVenueError, match="at least one pair"):
        SyntheticSource(START_NS, pairs=())


# --------------------------------------------------------------------------------------------------------- stores


BTC = Instrument(
    id="BTCUSDT.BINANCE", price_increment=Decimal("0.1"), quantity_increment=Decimal("0.001"), currency="USDT",
    base_currency="BTC",
)  # fmt: skip


async def make_store(*events: object) -> MemoryStorage:
    storage = MemoryStorage("memory:")
    await storage.connect()
    await storage.add_instruments([BTC])
    await storage.append(list(events))  # type: ignore[arg-type]
    return storage


async def play_all(storage: MemoryStorage) -> LocalVenue:
    venue = LocalVenue(await open_store_source(storage, history_ns=24 * HOUR_NS), monotonic_ns=lambda: 0)
    await venue.play.prepare()
    return venue


async def test_stored_trades_and_quotes_are_played_as_they_are() -> None:
    trade = TradeTick(BTC.id, START_NS + 2, START_NS + 9, 100.1, 0.5, Aggressor.SELLER, "77")
    quote = QuoteTick(BTC.id, START_NS + 1, START_NS + 1, 100.0, 2.0, 100.2, 3.0)
    venue = await play_all(await make_store(quote, trade))
    (played,) = venue.truth().trades("BTCUSDT")
    assert (played.trade_id, played.event_ns, played.price, played.size) == (77, START_NS + 2, 1_001, 500)
    assert played.buyer_is_maker
    (shown,) = venue.truth().quotes("BTCUSDT")
    assert (shown.bid_price, shown.bid_size, shown.ask_price, shown.ask_size) == (1_000, 2_000, 1_002, 3_000)
    assert list(venue.market.pairs["BTCUSDT"].core.asks.levels()) == [(1_002, 3_000)]


async def test_stored_bars_come_out_as_the_same_bars() -> None:
    bar_type = BarType(BTC.id, "1m")
    ends = [START_NS + number * MINUTE_NS for number in (1, 2)]
    stored = [
        Bar(bar_type, ends[0], ends[0], 100.0, 101.5, 99.0, 101.0, 0.43),
        Bar(bar_type, ends[1], ends[1], 101.0, 101.2, 98.0, 98.5, 1.002),
    ]
    venue = await play_all(await make_store(*stored))
    bars = venue.market.pairs["BTCUSDT"].tape.bars("1m", ends[1] - 1)
    assert [(b.end_ns, b.open / 10, b.high / 10, b.low / 10, b.close / 10, b.volume / 1_000) for b in bars] == [
        (bar.ts_event, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in stored
    ]


async def test_a_stored_price_off_the_increment_is_named() -> None:
    trade = TradeTick(BTC.id, START_NS, START_NS, 100.15, 0.5)
    with pytest.raises(LocalVenueError, match=r"price of BTCUSDT\.BINANCE at 2024-01-02T10:00:00Z is 100.15"):
        await play_all(await make_store(trade))


async def test_a_store_without_the_series_says_what_it_has() -> None:
    storage = await make_store(TradeTick(BTC.id, START_NS, START_NS, 100.1, 0.5))
    with pytest.raises(
        LocalVenueError, match=r"does not define instrument 'ETHUSDT\.BINANCE'; it has BTCUSDT\.BINANCE"
    ):
        await open_store_source(storage, ["ETHUSDT.BINANCE"])
    await (empty := MemoryStorage("memory:")).connect()
    with pytest.raises(LocalVenueError, match="has no series of any instrument"):
        await open_store_source(empty)
