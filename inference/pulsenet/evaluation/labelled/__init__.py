"""Recordings with labels of real people: what of them says anything about the model, and what does not."""
