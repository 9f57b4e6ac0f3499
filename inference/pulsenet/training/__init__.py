"""How the shipped weights are made: simulated people and recordings that may ship, never the evaluation's."""
