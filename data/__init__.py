"""Catalogue cards of the data sets, as package data."""
