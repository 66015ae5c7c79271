"""Classifies with one-layer text models by look-up in precomputed tables, without torch."""
