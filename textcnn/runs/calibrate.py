"""Calibrates a model without dev rows: on the answers of other models to rows that were held out from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import Config, ModelConfig
from textcnn.errors import ConfigError, DataError
from textcnn.evaluation.strangers import FEWEST_OUTLIERS, statistics
from textcnn.labels import MANY_LABELS, Labels
from textcnn.prediction.artifact import Artifact
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples
from textcnn.runs.finish import Run
from textcnn.runs.prepare import default_scale
from textcnn.training.result import (
    MOST_LOGITS,
    Calibration,
    calibrating_rows,
    fit_calibration,
    uncalibrated,
    with_thresholds,
)
from textcnn.training.sampler import default_epochs, number_strata, stratified_folds, stratified_split

FEWEST_ROWS = 200  # fewer say too little about probabilities
SPLIT_ROWS = 2_000  # from here on, one split has rows enough
NUM_FOLDS, SHARE, MOST_HELD_OUT = 5, 0.2, 20_000

# With so many labels, the epochs that few labels need leave the network behind. Twice as many must lower the log loss
# of held-out rows by the first share, and are doubled again where they do so by the second (docs/log.md).
LABELS_OF_LONG_RUNS, GAIN_OF_EPOCHS, LARGE_GAIN = 20, 0.01, 0.05

Train = Callable[[Examples, Config], Run]


@dataclass(frozen=True)
class HeldOut:
    """Logits of rows by models that were not trained on them.

    Attributes:
        branches: ``(M, C)`` of each branch; -inf in the first where the model did not know the label.
        rows: ``(M,)``, the numbers of the rows.
        summaries: the results of the models' runs.
        counts: ``(M, 3)``, the counts of the texts (:meth:`TextPipeline.counts`).
    """

    branches: list[npt.NDArray[np.float32]]
    rows: npt.NDArray[np.int64]
    summaries: list[dict[str, Any]]
    counts: npt.NDArray[np.int64]

    def calibrate(
        self, examples: Examples, labels: Labels, model: ModelConfig, kind: str, *, fits_scale: bool
    ) -> Calibration:
        """Fit the calibration of the final model to these logits; ``none``, or no known label: its thresholds alone."""
        truth = [examples.labels[row] for row in self.rows.tolist()]
        scale, found = default_scale(model, labels), None
        if kind != "none":
            found = fit_calibration(
                *(self.branches, truth, labels, scale),
                kind=kind,
                fits_scale=fits_scale,
                character_scale=model.character_scale,
                counts=self.counts,
            )
        before = uncalibrated(scale, labels, has_wide=len(self.branches) > 1)
        return found or with_thresholds(before, self.branches, truth, labels)


class StoppedError(Exception):
    """The run was interrupted, or exceeded a limit, while a model for calibration was trained."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.stopped)
        self.run = run


def calibration_kind(num_rows: int, config: Config) -> str:
    """Return how a model without dev rows is calibrated: ``none``, ``split`` or ``folds``."""
    if config.training.calibrate != "auto":
        return config.training.calibrate
    if num_rows < FEWEST_ROWS:
        return "none"
    return "split" if num_rows >= SPLIT_ROWS else "folds"


def held_out_folds(
    examples: Examples, kind: str, seed: int, num_folds: int = NUM_FOLDS
) -> npt.NDArray[np.int64] | None:
    """Return the number of the model ``(N,)`` that each row is held out from, -1: from none; none: rows are too few."""
    folds, labelled = np.full(len(examples), -1, np.int64), examples.labelled
    strata = examples.labels if not examples.form.numbers else number_strata(examples.labels)
    truth = [strata[row] for row in labelled.tolist()]
    num_labels = len({name for names in truth for name in names})
    if kind == "folds" and truth and num_labels <= MANY_LABELS:
        folds[labelled] = stratified_folds(truth, min(num_folds, len(truth)), seed=seed)
    elif truth:  # of very many labels a split too: all rows would have too many logits
        share = min(SHARE, MOST_HELD_OUT / len(truth), MOST_LOGITS / num_labels / len(truth))
        folds[labelled[stratified_split(truth, share, seed=seed)[1]]] = 0
    return folds if folds.max(initial=-1) >= 0 and _can_train(examples, folds) else None


def fit_held_out(
    examples: Examples,
    folds: npt.NDArray[np.int64],
    labels: Labels,
    config: Config,
    train: Train,
    reporter: Reporter,
    *,
    kind: str,
    fits_scale: bool,
) -> Calibration | None:
    """Train models on parts of the rows and fit the calibration on the others; none if they know no label of those.

    Args:
        examples: the N rows.
        folds: from :func:`held_out_folds`.
        labels: the labels of the final model.
        config: the settings of the final model.
        train: trains a model on rows.
        reporter: receives progress messages.
        kind: ``split`` or ``folds``.
        fits_scale: whether the factor of the n-gram branch is fitted.

    Raises:
        StoppedError: training was interrupted, or exceeded a limit.
    """
    reporter.say(
        f"calibration on {(folds >= 0).sum():,} rows, each held out from one of {folds.max() + 1} first models"
    )
    found = out_of_sample(examples, folds, labels, config, train, reporter)
    calibration = found.calibrate(examples, labels, config.model, kind, fits_scale=fits_scale)
    if not calibration.facts:
        return None
    reporter.say(calibration.describe())
    return calibration


def with_more_epochs(
    calibration: Calibration, epochs: int, fit: Callable[[int], Calibration | None], reporter: Reporter
) -> Calibration:
    """Double the number of epochs as long as the held-out rows gain by it; return the calibration of the best number.

    Args:
        calibration: of models of ``epochs`` epochs.
        epochs: the number to begin with.
        fit: trains models for a number of epochs on the same rows, and fits their calibration.
        reporter: receives progress messages.
    """
    tried, gain = {epochs: float(calibration.facts["log_loss_after"])}, LARGE_GAIN
    while gain >= LARGE_GAIN:
        reporter.say(f"{len(calibration.thresholds)} labels may need more epochs: the same with {2 * epochs}")
        longer = fit(2 * epochs)
        if longer is None:
            break
        tried[2 * epochs] = float(longer.facts["log_loss_after"])
        gain = 1 - tried[2 * epochs] / max(tried[epochs], 1e-12)
        if gain >= GAIN_OF_EPOCHS:
            calibration, epochs = replace(longer, epochs=2 * epochs), 2 * epochs
    losses = ", ".join(f"{loss:.3f} with {number}" for number, loss in tried.items())
    reporter.say(f"{epochs} epochs, by the log loss of the rows held out: {losses}")
    return replace(calibration, facts=calibration.facts | {"log_loss_by_epochs": {str(n): x for n, x in tried.items()}})


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
    counts = np.zeros((len(rows), 3), np.int64)
    place_of = {name: place for place, name in enumerate(labels.names)}
    for number in range(folds.max(initial=-1) + 1):
        held = np.flatnonzero(folds == number)
        reporter.say(f"model {number + 1} of {folds.max() + 1}: {len(held):,} rows held out")
        run = train(examples.subset(folds != number), config)
        if run.stopped in ("interrupted", "memory"):
            raise StoppedError(run)
        artifact = run.predictor.artifact
        encoded = artifact.text_inputs().encode([examples.texts[row] for row in held.tolist()])
        found = run.branches(encoded)
        # A rare label may be missing from the training rows, so the model can have fewer columns.
        columns = np.array([place_of[name] for name in artifact.labels.names])
        if not branches:
            unknown = [-np.inf, *[0.0] * (len(found) - 1)]
            branches = [np.full((len(rows), len(labels)), fill, np.float32) for fill in unknown]
        places = np.searchsorted(rows, held)
        for branch, part in zip(branches, found, strict=True):
            branch[np.ix_(places, columns)] = part
        counts[places] = artifact.text_inputs().counts(encoded)
        summaries.append(run.summary)
    return HeldOut(branches, rows, summaries, counts)


def calibrate_artifact(artifact: Artifact, examples: Examples) -> Calibration:
    """Fit the calibration of a trained model to further rows, and set it in the artifact.

    Outliers that were given to the model before are forgotten.

    Raises:
        ArtifactError: it is an image model.
        DataError: no row has a label of the model.
    """
    branches, scale = artifact.branches_function(), artifact.config.scale
    examples = examples.subset(calibrating_rows(len(examples), len(artifact.labels)))
    encoded = artifact.text_inputs().encode(examples.texts)
    calibration = fit_calibration(
        *(branches(encoded), examples.labels, artifact.labels, scale),
        kind="rows",
        fits_scale=True,
        character_scale=artifact.config.character_scale,
        counts=artifact.text_inputs().counts(encoded),
    )
    if calibration is None:
        raise DataError(f"expected rows of the model's labels, found none among {len(examples):,}; give others")
    artifact.calibrate(calibration)
    artifact.training |= {
        "temperature": calibration.temperature,
        "wide_scale": calibration.scale,
        "character_scale": calibration.character_scale,
        "calibration": calibration.facts,
    }
    return calibration


def add_outliers(artifact: Artifact, texts: Sequence[str]) -> None:
    """Store the statistics of texts of no label, from which ``none_of_these`` learns its weights.

    Raises:
        ArtifactError: it is an image model.
        ConfigError: the model has no held-out rows to compare with.
        DataError: the texts are too few.
    """
    predictor = Predictor(artifact)
    encoded = predictor.text_inputs().encode(texts)
    if len(texts) < FEWEST_OUTLIERS:
        raise DataError(f"expected {FEWEST_OUTLIERS} texts of no label at least, found {len(texts)}")
    if artifact.held_out is None or artifact.held_out.statistics is None:
        raise ConfigError(
            "the model has no statistics of held-out rows to compare texts of no label with: train it without "
            "--calibrate none, or give rows that it was not trained on"
        )
    counts, likeness = predictor.text_inputs().counts(encoded), artifact.held_out.likeness
    found = statistics(predictor.branches(encoded), counts, likeness)
    artifact.held_out = replace(artifact.held_out, outliers=found)


def _can_train(examples: Examples, folds: npt.NDArray[np.int64]) -> bool:
    """Return whether every model would see two labels at least (multi-label: one)."""
    least = 1 if examples.multi_label else 2
    return all(
        len({name for row in np.flatnonzero(folds != number) for name in examples.labels[row]}) >= least
        for number in range(folds.max(initial=-1) + 1)
    )
