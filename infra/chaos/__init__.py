"""Tries to break the promises: faults under load, an auditor that shares no code with the pipeline, a soak."""
