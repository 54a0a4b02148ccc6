"""Events between services: the broker port, the relay that feeds it, the consumer that applies exactly once."""
