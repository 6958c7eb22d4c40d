"""What a run leaves: the run folder, its files and digests."""
