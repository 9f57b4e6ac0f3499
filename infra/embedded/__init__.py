"""Real Kafka and PostgreSQL from wheels and jars, and the supervisor of `pulsera up`."""
