"""Classifies texts on clusters: batch jobs on Ray, and a user-defined function for Spark."""
