"""The scikit-learn facade: :class:`TextCNNClassifier`. Importing this room imports scikit-learn and torch."""

from textcnn.estimator.classifier import TextCNNClassifier as TextCNNClassifier
