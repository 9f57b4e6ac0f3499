"""The shipped weights, their calibration, and the card that says what they are."""
