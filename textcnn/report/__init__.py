"""One HTML page about a model: how good, how sure, how fast it is, on which texts, and where it fails. No torch."""

from textcnn.report.gather import gather as gather
from textcnn.report.gather import with_reasons as with_reasons
from textcnn.report.page import check_report as check_report
from textcnn.report.page import write_report as write_report
