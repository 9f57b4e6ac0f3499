"""Load, audit and micro-benchmarks: figures printed by commands."""
