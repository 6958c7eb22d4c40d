"""Import of market data from files: one module per layout, one pipeline for all."""
