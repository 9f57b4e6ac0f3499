"""The anomaly model: what is usual for a wearer in this context, how far off a minute is, and when that is an alert."""
