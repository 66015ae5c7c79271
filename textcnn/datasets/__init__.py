"""Provides data sets by name: their cards, their download, and a check of labelled data before training."""
