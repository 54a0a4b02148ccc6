"""The `liangfa` command and the composition of all services: the only place that knows which of them exist."""
