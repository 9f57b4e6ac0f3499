"""Settings, adapters, embedded services, command line and wiring."""
