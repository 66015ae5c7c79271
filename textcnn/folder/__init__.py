"""The model folder: its files, read and written without torch."""
