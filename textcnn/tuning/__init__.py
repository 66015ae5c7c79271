"""Searches for better settings within a time budget (extra ``tune``)."""

from textcnn.tuning.tune import Tuned as Tuned
from textcnn.tuning.tune import tune as tune
