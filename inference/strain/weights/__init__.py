"""The weights of the strain model that ship, with their manifest and card."""
