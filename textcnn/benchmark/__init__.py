"""Benchmarks models: the speed of the CNN compared with RNN baselines, and accuracy over seeds."""
