"""What users need to test their own strategies, feeds, stores and brokers."""
