"""tradecore: an asyncio-native trading runtime. One engine for backtest, warm-up and live trading."""

__version__ = "0.1.0"
