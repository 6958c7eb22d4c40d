"""TradingEngine: one loop, one total order, one timeline."""
