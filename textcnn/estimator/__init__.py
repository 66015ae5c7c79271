"""Provides :class:`TextCNNClassifier`, a scikit-learn estimator; importing this package imports scikit-learn."""

from textcnn.estimator.classifier import TextCNNClassifier as TextCNNClassifier
