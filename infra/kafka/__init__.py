"""Adapters to Apache Kafka."""
