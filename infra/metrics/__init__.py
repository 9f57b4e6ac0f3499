"""Prometheus metrics and the health answer of a process."""
