"""A model that would take too much room is made smaller, and the loss is said."""

from __future__ import annotations

from dataclasses import replace

from textcnn.evaluation.calibration import DEFAULT_THRESHOLD, fit_thresholds
from textcnn.evaluation.metrics import score
from textcnn.evaluation.probabilities import probabilities
from textcnn.inference.artifact import Artifact
from textcnn.models.base import TextClassifier
from textcnn.models.forward import logits_of
from textcnn.nn.wide import WideBranch
from textcnn.nn.wide_size import fitted, num_bytes
from textcnn.runs.run import Others
from textcnn.text.pipeline import EncodedTexts
from textcnn.training.learn import Part
from textcnn.training.progress import Reporter


def limit_wide(artifact: Artifact, others: Others, megabytes: float, reporter: Reporter) -> Others:
    """Hold the wide branch of the artifact to ``megabytes`` (of 2**20 bytes), and say what that cost on the dev rows.

    Returns:
        ``others`` with the features that are left.
    """
    model = artifact.model
    assert isinstance(model, TextClassifier)
    before = model.wide
    if before is None:
        return others
    small = fitted(before, int(megabytes * 2**20))
    if small is before:
        return others
    earlier, features = _dev_score(artifact, others["dev"]), small.features
    model.wide, artifact.inputs = small, replace(artifact.text_inputs(), wide=features)
    others = {name: None if part is None else _refeatured(part, artifact) for name, part in others.items()}
    later = _dev_score(artifact, others["dev"])
    mass = _squares(small) / max(_squares(before), 1e-30)
    cost = f"; dev {earlier[0]} {earlier[1]:.4f} before, {later[1]:.4f} now" if earlier and later else ""
    reporter.say(
        f"note: the wide branch of {num_bytes(before) / 2**20:,.1f} MiB is held to {megabytes:g}: float16, "
        f"{len(features.keys):,} of {len(before.keys):,} n-grams, {mass:.1%} of their squared weights{cost}"
    )
    return others


def _refeatured(part: Part[EncodedTexts], artifact: Artifact) -> Part[EncodedTexts]:
    features = artifact.text_inputs().wide
    assert features is not None
    return replace(part, encoded=replace(part.encoded, wide=features.transform(part.encoded)))


def _dev_score(artifact: Artifact, dev: Part[EncodedTexts] | None) -> tuple[str, float] | None:
    """The metric that chooses epochs, by its name."""
    if dev is None:
        return None
    labels = artifact.labels
    probs = probabilities(logits_of(artifact.model, artifact.text_inputs(), dev.encoded), labels)
    name, thresholds = "accuracy", [DEFAULT_THRESHOLD] * len(labels)
    if labels.multi_label:
        name, thresholds = "micro_f1", fit_thresholds(probs, dev.truth, labels)
    return name, float(score(dev.truth, probs, labels, thresholds)[name])


def _squares(wide: WideBranch) -> float:
    return float(wide.table.weight.detach().square().sum())
