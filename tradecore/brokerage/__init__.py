"""BrokerageProvider and SimulatedBroker."""
