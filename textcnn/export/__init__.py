"""Exports models to ONNX graphs and to tables for a browser, and compresses them to a given size."""
