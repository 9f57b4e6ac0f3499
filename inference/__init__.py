"""Signal mathematics, models, training and evaluation: one folder a capability."""
