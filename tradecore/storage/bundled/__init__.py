"""Market data that comes with tradecore, so that a first run needs no download."""
