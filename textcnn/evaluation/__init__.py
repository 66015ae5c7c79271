"""Metrics, calibration and thresholds, without torch."""
