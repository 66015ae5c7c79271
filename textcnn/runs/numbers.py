"""Checks the settings of regression before anything is read."""

from __future__ import annotations

from textcnn.config import Config, TrainingConfig
from textcnn.errors import ConfigError
from textcnn.grades import CUMULATIVE


def check_numbers(config: Config, *, folds: int | None = None, is_taught: bool = False, evidence: bool = False) -> None:
    """Check that settings for labels are not mixed with regression, nor its own with labels.

    Raises:
        ConfigError: they are; all are listed.
    """
    data, training = config.data, config.training
    if not data.regression and not data.ordinal:
        if training.loss != TrainingConfig().loss:
            raise ConfigError(f"loss {training.loss!r} is of regression, and labels have their own; add --regression")
        return
    if training.loss == CUMULATIVE and not data.ordinal:
        raise ConfigError("loss 'cumulative' is of grades; name them by --ordinal, or choose squared or huber")
    given = {
        "multi_label": data.multi_label,
        "label_separator": data.label_separator,
        "soft_column": data.soft_column,
        "class_weight": training.class_weight,
        "focal_gamma": training.focal_gamma,
        "teacher_weight": training.teacher_weight,
        "binary_sigmoid": config.model.binary_sigmoid,
        "folds": folds,
        "teacher": is_taught,
    }
    given["evidence"] = evidence
    if problems := [
        f"{name} is for labels, and regression predicts numbers; leave it out" for name, value in given.items() if value
    ]:
        raise ConfigError(problems)
