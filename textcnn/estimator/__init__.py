"""Provides :class:`TextCNNClassifier` and :class:`TextCNNRegressor`; importing this package imports scikit-learn."""

from textcnn.estimator.classifier import TextCNNClassifier as TextCNNClassifier
from textcnn.estimator.regressor import TextCNNRegressor as TextCNNRegressor
