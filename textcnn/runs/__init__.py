"""Runs from labelled data to a predictor: what joins reading, training and the artifact."""

from textcnn.runs.images import labelled_images as labelled_images
from textcnn.runs.images import read_like as read_like
from textcnn.runs.images import run_images as run_images
from textcnn.runs.keeping import checkpoints_beside as checkpoints_beside
from textcnn.runs.run import Run as Run
from textcnn.runs.settings import train_text as train_text
from textcnn.runs.text import run_text as run_text
