"""Serves models over HTTP, with a JSON interface and a web page; see docs/serving.md."""
