"""Models in other forms: ONNX graphs, tables for a browser, and folders of a given size."""
