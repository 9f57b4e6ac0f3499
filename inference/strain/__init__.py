"""Strain: how much four numbers of beats look like those of people under an acute stress task, and nothing more."""
