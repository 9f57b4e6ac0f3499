"""What crosses a wall: data, topics, protocols, units. Imports nothing of ours."""
