"""Speed of the CNN beside its RNN baselines."""
