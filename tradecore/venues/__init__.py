"""Venues: adapters to markets, each a codec that knows no socket and a session that knows no market."""
