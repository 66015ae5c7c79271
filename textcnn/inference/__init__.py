"""The artifact folder and the predictor that answers from it."""
