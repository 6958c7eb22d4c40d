"""MarketDataStorage: series of market events, kept and read back bit for bit."""
