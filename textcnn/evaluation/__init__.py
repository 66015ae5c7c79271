"""Metrics, confidence intervals, calibration, thresholds and drift, without torch."""
