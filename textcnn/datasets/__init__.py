"""Data sets by name: their cards, fetching them, and what to know of one before training."""
