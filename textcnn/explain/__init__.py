"""Why a model answers as it does: sums that are exact for one-layer models, what-if, and the words that are enough."""
