"""Strategy: what a user writes."""
