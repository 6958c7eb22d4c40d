"""Brokerage: who takes orders and keeps money: the BrokerageProvider contract and the SimulatedBroker."""
