"""The live hub (no I/O) and its socket."""
