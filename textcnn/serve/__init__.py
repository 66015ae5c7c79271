"""A model over HTTP: `serve` answers requests and shows a page; see docs/serving.md."""
