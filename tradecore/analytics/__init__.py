"""PerformanceAnalyzer and PerformanceStatistics."""
