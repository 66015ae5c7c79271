"""What the labels of the training rows count in the loss; without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.labels import Labels

Floats = npt.NDArray[np.float32]


def label_log_odds(labels: Labels, rows: Sequence[Sequence[str]], weight: Floats | None = None) -> Floats:
    """Log-odds ``(C,)`` of the labels, a positive counting ``weight`` times; half a row on each side."""
    counts = Counter(name for row in rows for name in row)
    present = np.array([float(counts[name]) for name in labels.names], np.float32)
    odds = (present + np.float32(0.5)) / (np.float32(len(rows)) - present + np.float32(0.5))
    return np.log(odds if weight is None else odds * weight)


def class_weights(
    setting: str | dict[str, float] | None, labels: Labels, rows: Sequence[Sequence[str]]
) -> Floats | None:
    """Weights ``(C,)`` of the labels, or none.

    ``balanced`` is scikit-learn's rule ``n / (C * count)``; multi-label it is ``(n - count) / count``, from 0.01 to
    100. A dictionary holds weights by label; the labels it leaves out have 1.

    Raises:
        ConfigError: an unknown rule, an unknown label, or a weight that is not above 0.
    """
    if setting is None:
        return None
    counts = Counter(name for row in rows for name in row)
    if setting == "balanced":
        if labels.multi_label:
            odds = [(len(rows) - counts[n]) / max(counts[n], 1) for n in labels.names]
            found = [min(max(odd, 0.01), 100.0) for odd in odds]
        else:
            found = [len(rows) / (len(labels) * max(counts[n], 1)) for n in labels.names]
        return np.array(found, np.float32)
    if isinstance(setting, str):
        raise ConfigError(f"class_weight must be 'balanced' or a weight for each label, got {setting!r}")
    problems = [
        f"class_weight names the label {name!r}; the data has {', '.join(labels.names)}"
        for name in setting
        if name not in labels.names
    ]
    problems += [
        f"class_weight of {name!r} must be above 0, got {value!r}" for name, value in setting.items() if not value > 0
    ]
    if problems:
        raise ConfigError(problems)
    return np.array([float(setting.get(name, 1.0)) for name in labels.names], np.float32)
