"""Loads the fixtures that every folder of tests may use."""

pytest_plugins = ["tests.embedded_services", "tests.running_system"]
