"""Pulse, variability and breathing from the colour of a face, and when there is none to tell."""
