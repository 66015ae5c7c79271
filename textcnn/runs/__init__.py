"""Runs from labelled data to a predictor: what joins reading, training and the artifact. Loads without torch."""

from textcnn.runs.keeping import checkpoints_beside as checkpoints_beside
from textcnn.runs.run import Run as Run
from textcnn.runs.settings import train_text as train_text
from textcnn.runs.text import run_text as run_text
