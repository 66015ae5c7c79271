"""Reads the answers to held-out rows in a model folder, for what they promise of further answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textcnn.errors import ConfigError
from textcnn.evaluation.promises import HeldOutAnswers, Promise, interval_radii
from textcnn.folder.model_folder import HELD_OUT, RESIDUALS
from textcnn.folder.training_rows import read_held_out, read_residuals
from textcnn.labels import Labels


def held_out_answers(folder: str | Path, labels: Labels) -> HeldOutAnswers | None:
    """Return the answers to held-out rows of a model folder; none if it has none.

    Raises:
        ArtifactError: the file is damaged.
    """
    path = Path(folder) / HELD_OUT
    return read_held_out(path, len(labels), in_tree=labels.tree is not None) if path.is_file() else None


def load_promise(
    folder: str | Path,
    labels: Labels,
    say: Callable[[str], None],
    *,
    coverage: float | None = None,
    by_label: bool = False,
    min_probability: float | None = None,
    min_accuracy: float | None = None,
) -> Promise | None:
    """Return how sure answers have to be and what sets have to hold; none if nothing is asked for.

    Args:
        folder: the model folder.
        labels: its labels.
        say: receives what the held-out rows promise, and of how many rows they are.
        coverage: the share of rows whose set is to hold the true label, or whose interval the number; none: neither.
        by_label: whether the coverage is to hold for the rows of each label.
        min_probability: the probability below which a row is unsure.
        min_accuracy: the share of answers that are to be right among those that are sure.

    Raises:
        ConfigError: the options contradict each other or the model, or are out of range.
        ArtifactError: the file of held-out answers is damaged.
    """
    if labels.targets:
        if by_label or min_probability is not None or min_accuracy is not None:
            labels.require_labels("--coverage-by, --min-probability or --min-accuracy")
        return None if coverage is None else _intervals(Path(folder), labels, say, coverage)
    if not by_label and coverage is None and min_probability is None and min_accuracy is None:
        return None
    _check(coverage, by_label=by_label, min_probability=min_probability, min_accuracy=min_accuracy)
    if coverage is None and min_accuracy is None:
        return None if min_probability is None else Promise(min_probability)
    asked = "--coverage" if coverage is not None else "--min-accuracy"
    if labels.multi_label:
        raise ConfigError(f"{asked} is for models with one label a row, and this one is multi-label; leave it out")
    held_out = held_out_answers(folder, labels)
    if held_out is None:
        raise ConfigError(
            f"{asked} needs answers to held-out rows, and {str(folder)!r} has none: train it without --calibrate none, "
            f"or run `textcnn calibrate` with rows that it was not trained on"
        )
    least, quantiles = min_probability or 0.0, None
    if min_accuracy is not None:
        least = held_out.least_confidence(min_accuracy)
        share = float((held_out.sureness >= least).mean()) if len(held_out.sureness) else 0.0
        found = f"from probability {least:.3f}" if least <= 1 else "at no probability"
        say(f"accuracy {min_accuracy:g} {found}, by {share:.1%} of {len(held_out.confidence):,} held-out rows")
    if coverage is not None:
        quantiles, few = held_out.quantiles(coverage, labels, by_label=by_label)
        say(f"sets that hold the true label of {coverage:.0%} of rows like the {len(held_out.score):,} held-out ones")
        if few:
            say(f"note: too few held-out rows for a quantile of their own: {', '.join(map(repr, few))}")
    return Promise(least, quantiles)


def _intervals(folder: Path, labels: Labels, say: Callable[[str], None], coverage: float) -> Promise:
    """Return the intervals around numbers that held-out rows promise."""
    path = folder / RESIDUALS
    if not path.is_file():
        raise ConfigError(
            f"--coverage needs errors on held-out rows, and {str(folder)!r} has none: train it without --calibrate "
            f"none, or run `textcnn calibrate` with rows that it was not trained on"
        )
    residuals = read_residuals(path, len(labels))
    radii = interval_radii(residuals, coverage)
    widths = ", ".join(f"{name} ± {radius:.4g}" for name, radius in zip(labels.names, radii.tolist(), strict=True))
    say(f"intervals that hold the number of {coverage:.0%} of rows like the {len(residuals):,} held-out ones: {widths}")
    return Promise(radii=radii)


def _check(
    coverage: float | None, *, by_label: bool, min_probability: float | None, min_accuracy: float | None
) -> None:
    """Raise ConfigError if the options contradict each other or are out of range."""
    if by_label and coverage is None:
        raise ConfigError("--coverage-by label is for sets with a coverage: give --coverage")
    if min_probability is not None and min_accuracy is not None:
        raise ConfigError("--min-probability and --min-accuracy are two ways to say one thing; leave one out")
    if min_probability is not None and not 0 <= min_probability <= 1:
        raise ConfigError(f"min_probability must be in [0, 1], got {min_probability:g}")
