"""Provides estimators with scikit-learn's interface, of classes, ordered classes and numbers; imports scikit-learn."""

from textcnn.estimator.classifier import TextCNNClassifier as TextCNNClassifier
from textcnn.estimator.ordinal import TextCNNOrdinalClassifier as TextCNNOrdinalClassifier
from textcnn.estimator.regressor import TextCNNRegressor as TextCNNRegressor
