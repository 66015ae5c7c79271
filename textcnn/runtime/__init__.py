"""The look-up runtime: answers of one-layer models without torch."""
