"""Writes an HTML report about a model: metrics, calibration, errors, data statistics and speed, without torch."""

from textcnn.report.gather import gather as gather
from textcnn.report.gather import with_reasons as with_reasons
from textcnn.report.page import check_report as check_report
from textcnn.report.page import write_report as write_report
