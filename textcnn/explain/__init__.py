"""Explains predictions: attributions (exact for one-layer models), counterfactuals, and sufficient words."""
