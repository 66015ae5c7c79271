"""Filters corpora: files of documents in, the same files with the documents that a model keeps out."""
