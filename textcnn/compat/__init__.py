"""Interfaces of other libraries, so that their programs run with one import line changed."""
