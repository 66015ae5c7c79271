"""Text classification with convolutional networks (Conv1d): training, prediction, explanation and benchmarks.

``import textcnn`` imports neither torch nor datasets; the names below are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textcnn.api import load as load
    from textcnn.api import train as train
    from textcnn.core import backend_info as backend_info
    from textcnn.errors import DataWarning as DataWarning
    from textcnn.prediction.predictor import Predictor as Predictor

__version__ = "0.1.0"
__all__ = ["DataWarning", "Predictor", "__version__", "backend_info", "load", "train"]

_HOMES = {
    "train": "textcnn.api",
    "load": "textcnn.api",
    "Predictor": "textcnn.prediction.predictor",
    "backend_info": "textcnn.core",
    "DataWarning": "textcnn.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textcnn' has no attribute {name!r}; it offers {', '.join(__all__)}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
