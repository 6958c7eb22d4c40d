"""EventFeed: sources of events, historical and live, and the one merge kernel."""
