"""Reads and writes the files of a model folder, without torch."""
