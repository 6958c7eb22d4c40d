"""A client that nobody here wrote reads the venue over real loopback: ccxt's async Binance and Kraken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

OpenVenue = Callable[..., Any]

ccxt = pytest.importorskip(
    "ccxt.async_support", reason="ccxt is not installed; it is part of the dev extra: pip install tradecore[dev]"
)

pytestmark = [pytest.mark.loopback]


def make_binance(server: Any) -> Any:
    client = ccxt.binance({"options": {"fetchMarkets": {"types": ["spot"]}}, "enableRateLimit": False})
    client.urls["api"]["public"] = server.urls["binance_rest"] + "/api/v3"
    return client


def make_kraken(server: Any) -> Any:
    client = ccxt.kraken({"enableRateLimit": False})
    for name in ("public", "private"):
        client.urls["api"][name] = server.urls["kraken_rest"]
    return client


@pytest.fixture(params=[make_binance, make_kraken])
def make_client(request: pytest.FixtureRequest) -> Any:
    return request.param


async def test_markets_trades_books_bars_and_tickers_are_read(local_venue: OpenVenue, make_client: Any) -> None:
    async with local_venue(speed=5) as server:
        client = make_client(server)
        try:
            markets = await client.load_markets()
            assert {"BTC/USDT", "ETH/USDT", "BTC/USD"} <= set(markets)
            precision = markets["BTC/USD"]["precision"]
            assert (precision["price"], precision["amount"]) == (0.1, 1e-8)
            await check_trades(client, server)
            await check_book(client, server)
            await check_bars(client, server)
            await check_ticker(client, server)
        finally:
            await client.close()


async def check_trades(client: Any, server: Any) -> None:
    trades = await client.fetch_trades("BTC/USD", limit=50)
    assert len(trades) == 50
    truth = {trade.trade_id: trade for trade in server.venue.truth().trades("BTCUSD")}
    for trade in trades:
        known = truth[int(trade["id"])]
        assert trade["price"] == known.price / 10
        assert trade["amount"] == pytest.approx(known.size / 10**8)
        assert trade["side"] == ("sell" if known.buyer_is_maker else "buy")
        assert trade["timestamp"] == known.event_ns // 10**6


async def check_book(client: Any, server: Any) -> None:
    book = await client.fetch_order_book("BTC/USD", limit=10)
    assert len(book["bids"]) >= 10
    assert book["bids"][0][0] < book["asks"][0][0]
    prices = {quote.bid_price / 10 for quote in server.venue.truth().quotes("BTCUSD")}
    assert book["bids"][0][0] in prices


async def check_bars(client: Any, server: Any) -> None:
    bars = await client.fetch_ohlcv("BTC/USD", "1m", limit=3)
    starts = [bar[0] for bar in bars]
    assert all(start % 60_000 == 0 for start in starts)
    known = {bar.open_ns // 10**6: bar for bar in server.venue.market.pairs["BTCUSD"].tape.bars("1m", 0)}
    for start, opened, high, low, _, _ in bars[:-1]:
        assert (opened, high, low) == (known[start].open / 10, known[start].high / 10, known[start].low / 10)


async def check_ticker(client: Any, server: Any) -> None:
    ticker = await client.fetch_ticker("BTC/USD")
    assert ticker["bid"] < ticker["ask"]
    assert ticker["last"] in {trade.price / 10 for trade in server.venue.truth().trades("BTCUSD")}
    assert await client.fetch_time() > 0


async def test_a_refusal_reaches_the_client_as_what_it_is(local_venue: OpenVenue) -> None:
    async with local_venue() as server:
        server.venue.add_fault("refuse code=429 retry_after=3")
        client = make_binance(server)
        try:
            with pytest.raises(ccxt.DDoSProtection):
                await client.fetch_time()
        finally:
            await client.close()
