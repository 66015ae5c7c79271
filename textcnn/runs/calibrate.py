"""Calibrates a model without dev rows: on the answers of other models to rows that were held out from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import Config, ModelConfig
from textcnn.labels import Labels
from textcnn.prediction.artifact import Artifact
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples
from textcnn.runs.finish import Run
from textcnn.runs.prepare import default_scale
from textcnn.training.result import Calibration, fit_calibration, uncalibrated, with_thresholds
from textcnn.training.sampler import default_epochs, stratified_folds, stratified_split

FEWEST_ROWS = 200  # fewer say too little about probabilities
SPLIT_ROWS = 2_000  # from here on, one split has rows enough
NUM_FOLDS, SHARE, MOST_HELD_OUT = 5, 0.2, 20_000

Train = Callable[[Examples, Config], Run]


@dataclass(frozen=True)
class HeldOut:
    """Logits of rows by models that were not trained on them.

    Attributes:
        branches: ``(M, C)`` of each branch; -inf in the first where the model did not know the label.
        rows: ``(M,)``, the numbers of the rows.
        summaries: the results of the models' runs.
    """

    branches: list[npt.NDArray[np.float32]]
    rows: npt.NDArray[np.int64]
    summaries: list[dict[str, Any]]

    def calibrate(
        self, examples: Examples, labels: Labels, model: ModelConfig, kind: str, *, fits_scale: bool
    ) -> Calibration:
        """Fit the calibration of the final model to these logits; ``none``: its thresholds alone."""
        truth = [examples.labels[row] for row in self.rows.tolist()]
        scale = default_scale(model, labels)
        if kind == "none":
            return with_thresholds(uncalibrated(scale, labels), self.branches, truth, labels)
        found = fit_calibration(self.branches, truth, labels, scale, fits_scale=fits_scale)
        return replace(found, facts={"kind": kind, **found.facts})


class StoppedError(Exception):
    """The run was interrupted, or exceeded a limit, while a model for calibration was trained."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.stopped)
        self.run = run


def calibration_kind(examples: Examples, config: Config, reporter: Reporter) -> str:
    """Return how a model without dev rows is calibrated: ``none``, ``split`` or ``folds``."""
    kind, count = config.training.calibrate, len(examples)
    if kind != "auto":
        return kind
    if count < FEWEST_ROWS:
        reporter.say(f"fewer than {FEWEST_ROWS} rows say too little to calibrate the probabilities")
        return "none"
    return "split" if count >= SPLIT_ROWS else "folds"


def held_out_folds(examples: Examples, kind: str, seed: int) -> npt.NDArray[np.int64]:
    """Return the number of the model ``(N,)`` that each row is held out from; -1: from none."""
    if kind == "folds":
        return stratified_folds(examples.labels, min(NUM_FOLDS, len(examples)), seed=seed)
    share = min(SHARE, MOST_HELD_OUT / len(examples))
    folds = np.full(len(examples), -1, np.int64)
    folds[stratified_split(list(examples.labels), share, seed=seed)[1]] = 0
    return folds


def fit_held_out(
    examples: Examples,
    labels: Labels,
    config: Config,
    kind: str,
    train: Train,
    reporter: Reporter,
    *,
    fits_scale: bool = True,
) -> Calibration | None:
    """Train models on parts of the rows and fit the calibration on the others; none if no row can be held out.

    Args:
        examples: the N rows.
        labels: the labels of the final model.
        config: the settings of the final model.
        kind: ``split`` or ``folds``.
        train: trains a model on rows.
        reporter: receives progress messages.
        fits_scale: whether the factor of the n-gram branch is fitted.

    Raises:
        StoppedError: training was interrupted, or exceeded a limit.
    """
    folds = held_out_folds(examples, kind, config.training.seed)
    if folds.max(initial=-1) < 0 or not _can_train(examples, folds):
        reporter.say("too few rows of each label to hold some out: the probabilities are not calibrated")
        return None
    what = "a fifth" if kind == "split" and len(examples) * SHARE <= MOST_HELD_OUT else f"{(folds >= 0).sum():,}"
    how = f"{what} of the rows held out" if kind == "split" else f"{NUM_FOLDS} folds"
    reporter.say(f"calibration: {how} from {'a first model' if kind == 'split' else 'first models'}")
    found = out_of_sample(examples, folds, labels, config, train, reporter)
    calibration = found.calibrate(examples, labels, config.model, kind, fits_scale=fits_scale)
    reporter.say(calibration.describe())
    return calibration


def out_of_sample(
    examples: Examples,
    folds: npt.NDArray[np.int64],
    labels: Labels,
    config: Config,
    train: Train,
    reporter: Reporter,
) -> HeldOut:
    """Train a model for each number in ``folds`` on the other rows, and return its logits of the rows held out.

    Raises:
        StoppedError: training was interrupted, or exceeded a limit.
    """
    # As many epochs as for all rows, so that the models are as sure of themselves.
    epochs = config.training.epochs or default_epochs(len(examples))
    config = replace(config, training=replace(config.training, epochs=epochs, dev_fraction=None))
    rows = np.flatnonzero(folds >= 0)
    branches: list[npt.NDArray[np.float32]] = []
    summaries = []
    for number in range(folds.max(initial=-1) + 1):
        held = np.flatnonzero(folds == number)
        reporter.say(f"model {number + 1} of {folds.max() + 1}: {len(held):,} rows held out")
        run = train(examples.subset(folds != number), config)
        if run.stopped in ("interrupted", "memory"):
            raise StoppedError(run)
        artifact = run.predictor.artifact
        found = run.branches(artifact.text_inputs().encode([examples.texts[row] for row in held.tolist()]))
        # A rare label may be missing from the training rows, so the model can have fewer columns.
        columns = np.array([labels.names.index(name) for name in artifact.labels.names])
        if not branches:
            unknown = [-np.inf, *[0.0] * (len(found) - 1)]
            branches = [np.full((len(rows), len(labels)), fill, np.float32) for fill in unknown]
        places = np.searchsorted(rows, held)
        for branch, part in zip(branches, found, strict=True):
            branch[np.ix_(places, columns)] = part
        summaries.append(run.summary)
    return HeldOut(branches, rows, summaries)


def calibrate_artifact(artifact: Artifact, examples: Examples) -> Calibration:
    """Fit the calibration of a trained model to further rows, and set it in the artifact.

    Raises:
        ArtifactError: it is an image model.
    """
    encoded = artifact.text_inputs().encode(examples.texts)
    found = fit_calibration(
        artifact.branches_function()(encoded),
        examples.labels,
        artifact.labels,
        artifact.config.scale,
        fits_scale=True,
    )
    calibration = replace(found, facts={"kind": "rows", **found.facts})
    artifact.calibrate(calibration)
    artifact.training |= {
        "temperature": calibration.temperature,
        "wide_scale": calibration.scale,
        "calibration": calibration.facts,
    }
    return calibration


def _can_train(examples: Examples, folds: npt.NDArray[np.int64]) -> bool:
    """Return whether every model would see two labels at least (multi-label: one)."""
    least = 1 if examples.multi_label else 2
    return all(
        len({name for row in np.flatnonzero(folds != number) for name in examples.labels[row]}) >= least
        for number in range(folds.max(initial=-1) + 1)
    )
