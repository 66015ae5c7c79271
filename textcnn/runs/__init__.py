"""Runs the whole way from labelled data to a trained predictor; importing this package does not import torch."""

from textcnn.runs.finish import Run as Run
from textcnn.runs.output_lock import checkpoints_beside as checkpoints_beside
from textcnn.runs.settings import train_text as train_text
from textcnn.runs.text import run_text as run_text
