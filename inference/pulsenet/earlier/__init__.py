"""The network of the earlier system, as it was published: read without running anything, and judged in shadow alone."""
