"""Heart rate variability from the intervals between beats."""
