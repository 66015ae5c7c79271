"""Classifies rows: the predictor, streaming in threads and processes, and writers of output formats."""
