"""From frames to scores, episodes, rows and alerts."""
