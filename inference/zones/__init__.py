"""Community zones: is more distress here, now, than chance allows?"""
