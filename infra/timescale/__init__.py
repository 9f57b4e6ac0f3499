"""Adapters to PostgreSQL and TimescaleDB, and the migrations."""
