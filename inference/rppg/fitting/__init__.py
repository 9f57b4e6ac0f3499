"""How the confidence was fitted: rendered traces, crops of real skin, a logistic regression, its reliability."""
