"""The device's door: sessions, admission, framing and the gateway."""
