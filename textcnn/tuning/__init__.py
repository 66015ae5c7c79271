"""Search for better settings inside a budget of time (extra ``tune``)."""

from textcnn.tuning.tune import Tuned as Tuned
from textcnn.tuning.tune import tune as tune
