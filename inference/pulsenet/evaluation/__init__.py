"""How well a detector finds what was put into real recordings, and how often it speaks without cause."""
