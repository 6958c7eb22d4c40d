"""Execution: orders against the market events of one match source per instrument. Pure and sync; knows no money."""
