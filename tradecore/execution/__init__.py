"""ExecutionEngine: orders against market events, sync and pure of I/O."""
