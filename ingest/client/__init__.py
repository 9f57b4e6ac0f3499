"""The device half: a client library, replay of recordings and the simulator."""
