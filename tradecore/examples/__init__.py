"""Strategies to start from."""
