"""A model that would take too much room is made smaller, and the loss is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.calibration import DEFAULT_THRESHOLD, fit_thresholds
from textcnn.evaluation.metrics import score
from textcnn.evaluation.probabilities import probabilities
from textcnn.inference.artifact import Artifact
from textcnn.models.weights import WIDE_IDF, WIDE_KEYS, WIDE_TABLE
from textcnn.nn.wide_size import num_bytes, smaller_table
from textcnn.runs.run import Others
from textcnn.text.pipeline import EncodedTexts
from textcnn.text.wide import WideFeatures
from textcnn.training.learned import Part
from textcnn.training.progress import Reporter


def limit_wide(artifact: Artifact, others: Others, megabytes: float, reporter: Reporter) -> Others:
    """Hold the wide branch of the artifact to ``megabytes`` (of 2**20 bytes), and say what that cost on the dev rows.

    Its weights become float16 numbers; if that is not enough, the n-grams whose weights have the largest norm are kept.

    Returns:
        ``others`` with the features that are left.
    """
    weights, most = artifact.weights, int(megabytes * 2**20)
    table = weights.get(WIDE_TABLE)
    if table is None:
        return others
    size = num_bytes(*table.shape, float16=table.dtype == np.float16)
    if size <= most:
        return others
    earlier = _dev_score(artifact, others["dev"])
    small, kept = smaller_table(table, most)
    features = WideFeatures(weights[WIDE_KEYS][kept], weights[WIDE_IDF][kept])
    artifact.inputs = replace(artifact.text_inputs(), wide=features)
    artifact.replace_weights({**weights, WIDE_TABLE: small, WIDE_KEYS: features.keys, WIDE_IDF: features.idf})
    others = {name: None if part is None else with_features(part, features) for name, part in others.items()}
    later = _dev_score(artifact, others["dev"])
    mass = _squares(small) / max(_squares(table), 1e-30)
    cost = f"; dev {earlier[0]} {earlier[1]:.4f} before, {later[1]:.4f} now" if earlier and later else ""
    reporter.say(
        f"note: the wide branch of {size / 2**20:,.1f} MiB is held to {megabytes:g}: float16, "
        f"{len(kept):,} of {len(table):,} n-grams, {mass:.1%} of their squared weights{cost}"
    )
    return others


def with_features(part: Part[EncodedTexts], features: WideFeatures) -> Part[EncodedTexts]:
    """The same rows with these features in the place of others."""
    return replace(part, encoded=replace(part.encoded, wide=features.transform(part.encoded)))


def _dev_score(artifact: Artifact, dev: Part[EncodedTexts] | None) -> tuple[str, float] | None:
    """The metric that chooses epochs, by its name."""
    if dev is None:
        return None
    labels = artifact.labels
    probs = probabilities(artifact.logits_function()(dev.encoded), labels)
    name, thresholds = "accuracy", [DEFAULT_THRESHOLD] * len(labels)
    if labels.multi_label:
        name, thresholds = "micro_f1", fit_thresholds(probs, dev.truth, labels)
    return name, float(score(dev.truth, probs, labels, thresholds)[name])


def _squares(table: npt.NDArray[Any]) -> float:
    return float(np.square(table, dtype=np.float64).sum())
