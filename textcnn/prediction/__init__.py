"""From rows to answers: the predictor, streaming, worker processes, writing."""
