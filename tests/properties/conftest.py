"""Properties hold however slow the machine is: an example that takes long is no failure of theirs."""

from hypothesis import HealthCheck, settings

settings.register_profile("pulsera", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pulsera")
