"""Configuration, assembly, phases, run_backtest."""
