"""Layers of the models: embeddings, convolution blocks, norms, pooling, heads."""
