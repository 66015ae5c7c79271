"""Layers that models are made of: embedding, blocks, pooling."""
