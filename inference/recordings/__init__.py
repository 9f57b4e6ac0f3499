"""Recordings in the formats of others, brought to what the models read: who was measured, when, and in which units."""
