"""Which operators run on which topics: one readable list a family."""
