"""Indicators: incremental, O(1) per update."""
