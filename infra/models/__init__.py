"""Models on the command line: training, evaluation, and what is loaded."""
