"""Functions that classify columns in query engines: polars and DuckDB; for Spark, see ``textcnn.cluster.spark``."""
