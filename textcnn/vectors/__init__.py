"""Pretrained word vectors from files."""
