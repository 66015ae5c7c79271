"""Runs the accuracy benchmark for texts and images: trains with several seeds and measures on the test rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from textcnn.benchmark.baselines import NAMES, run_baseline
from textcnn.benchmark.document import FinishedRuns, command_line, data_name, describe_machine, shown_settings
from textcnn.config import Config, DataConfig
from textcnn.errors import ConfigError, MissingExtraError
from textcnn.evaluation.calibration import Floats, probabilities
from textcnn.evaluation.metrics import log_loss, score
from textcnn.image.reading import read_part
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import branch_logits_of
from textcnn.prediction.artifact import Artifact
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples, read_examples
from textcnn.runs import Run, run_text
from textcnn.runs.images import labelled_images, read_like, run_images
from textcnn.training.result import Part

METRICS = ("accuracy", "macro_f1", "micro_f1")
KEPT = ("examples", "num_labels", "num_parameters", "epochs", "best_epoch", "train_seconds", "tokens_per_second")


class Task(Protocol):
    """The interface of a data set with its training and measurement."""

    unit: ClassVar[str]

    @property
    def num_test(self) -> int:
        """The number of test rows."""

    def run(self, settings: Mapping[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Train with these settings, by name, measure on the test rows, and return the results as JSON values."""


@dataclass(frozen=True)
class TextTask:
    """A task of labelled texts.

    Attributes:
        train: the training rows.
        test: the test rows, which have no weights.
        reading: the options of reading rows without weights.
        dev: the rows that select the best epoch and calibrate the model, in any form that can be read, or none.
    """

    unit: ClassVar[str] = "words"
    train: Examples
    test: Examples
    reading: DataConfig
    dev: Any = None

    @classmethod
    def read(cls, data: Any, test: Any, settings: Mapping[str, Any], *, dev: Any = None) -> TextTask:
        """Read the training and test rows.

        Raises:
            DataError: the data cannot be read with these settings.
        """
        config = Config.from_flat(settings)
        train = read_examples(data, config.data)
        unweighted = replace(config.data, weight_column=None)
        return cls(train, read_examples(test, unweighted, multi_label=train.multi_label), unweighted, dev)

    @property
    def num_test(self) -> int:
        """The number of test texts."""
        return len(self.test)

    def run(self, settings: Mapping[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Train, and measure the model and each of its branches separately."""
        run = run_text(self.train, Config.from_flat(settings), reporter, dev=self.dev)
        artifact = run.predictor.artifact
        encoded = artifact.text_inputs().encode(self.test.texts)
        part = Part(encoded, self.test.labels)
        return {**_measured(run, part, 1), "parts": _parts(artifact, encoded, self.test)}


@dataclass(frozen=True)
class ImageTask:
    """A task of labelled images, which are read again for each run.

    Attributes:
        train: the source of the training images, in any form that `textcnn image train` reads.
        test: the source of the test images.
        dev: the source of the images that select the best epoch, or none.
        num_test: the number of test images.
    """

    unit: ClassVar[str] = "images"
    train: str
    test: str
    dev: str | None
    num_test: int

    def run(self, settings: Mapping[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Train, and measure the model on the test images."""
        run = run_images(self.train, Config.from_flat(settings), reporter, dev=self.dev)
        inputs = run.predictor.artifact.image_inputs()
        part = labelled_images(inputs, read_like(inputs, self.test, "test"))
        return {**_measured(run, part, inputs.shape[1] * inputs.shape[2]), "parts": {}}


def _measured(run: Run, part: Part[Any], places: int) -> dict[str, Any]:
    """Return metrics on the rows of ``part``, and speeds in units (words or images) of ``places`` tokens or pixels."""
    predictor = run.predictor
    began = time.perf_counter()
    logits = predictor.logits(part.encoded)
    seconds = time.perf_counter() - began
    probs = probabilities(logits, predictor.labels, predictor.temperature)
    kept = {name: run.summary[name] for name in KEPT}
    return {
        **kept,
        "trained_per_second": kept["tokens_per_second"] / places,
        "classified_per_second": int(predictor.inputs.sizes(part.encoded).sum()) / places / seconds,
        "test": _metrics(part.truth, probs, predictor.labels, predictor.own_thresholds),
    }


def _metrics(truth: Any, probs: Floats, labels: Labels, thresholds: Sequence[float]) -> dict[str, float]:
    """Return the metrics of a model with probabilities: those of the baselines, and two of the probabilities."""
    found = score(truth, probs, labels, thresholds)
    return {metric: found[metric] for metric in (*METRICS, "ece")} | {"log_loss": log_loss(truth, probs, labels)}


def _parts(artifact: Artifact, encoded: Any, test: Examples) -> dict[str, dict[str, Any]]:
    """Return the metrics of each branch alone; none for a single branch, or if thresholds were fitted to the sum."""
    if artifact.labels.multi_label:
        return {}
    logits = branch_logits_of(artifact.model, artifact.text_inputs(), encoded)
    if len(logits) < 2:
        return {}
    thresholds = [0.5] * len(artifact.labels)
    return {
        name: _metrics(test.labels, probabilities(of_branch, artifact.labels), artifact.labels, thresholds)
        for name, of_branch in logits.items()
    }


ALL = "all"


def accuracy_benchmark(
    data: Any,
    test: Any,
    settings: Mapping[str, Any],
    architectures: Sequence[str],
    seeds: Sequence[int],
    reporter: Reporter,
    *,
    dev: Any = None,
    baselines: Sequence[str] = (),
    output: Path | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Train each architecture with each seed, and measure it once on the test rows.

    All runs have the same settings, including the number of epochs. Nothing is selected by the test rows, and every run
    is reported. If a model has two branches, each is also measured alone, from the logits of the same run.

    Args:
        data: the training rows, in any form that ``textcnn.train`` reads; for image architectures a source of images.
        test: the test rows.
        settings: the settings of all runs, by name.
        architectures: names of the registry, all of texts or all of images; ``all``: every text architecture.
        seeds: the seeds, with one run each.
        reporter: receives progress messages.
        dev: the rows that select the best epoch and calibrate the models, and fit multi-label thresholds of all.
        baselines: names of :data:`textcnn.benchmark.baselines.NAMES`, for texts, with one run each; fastText is
            omitted, with a note, if it is not installed. With baselines there may be no architecture.
        output: the file of the document; finished runs are stored in ``OUTPUT.partial`` until it is written.
        arguments: the command line, for the record.

    Returns:
        A document of JSON values: machine, command, settings, and for each model its runs, means and standard
        deviations.

    Raises:
        ConfigError: there is no architecture or no seed, texts and images are mixed, or a baseline is unknown.
        DataError: the data cannot be read with these settings.
    """
    names = list(registry.TEXT) if list(architectures) == [ALL] else list(architectures)
    if not (names or baselines) or (names and not seeds):
        raise ConfigError(f"expected an architecture and a seed at least, got {names} and {list(seeds)}")
    if unknown := [name for name in baselines if name not in NAMES]:
        raise ConfigError(f"baselines must be of {', '.join(NAMES)}, got {', '.join(map(repr, unknown))}")
    task = _task(data, test, dev, settings, names)
    finished = FinishedRuns(output, {"settings": dict(settings), "train": data_name(data), "test": data_name(test)})
    results: list[dict[str, Any]] = []
    for name in names:
        runs = []
        for seed in seeds:
            reporter.say(f"{name}, seed {seed}")
            given = {**settings, "architecture": name, "seed": seed}
            runs.append({"seed": seed, **finished.run(f"{name}, seed {seed}", task.run, given, reporter)})
        results += _results(name, runs)
    linear, left_out = _linear(task, baselines, finished, reporter)
    document = {
        "benchmark": "accuracy",
        **describe_machine(),
        "command": command_line(arguments),
        "data": data_name(data),
        "unit": task.unit,
        "settings": shown_settings(settings),
        "num_test": task.num_test,
        "left_out": left_out,
        "results": [*results, *linear],
    }
    finished.write(document)
    return document


def _task(data: Any, test: Any, dev: Any, settings: Mapping[str, Any], names: Sequence[str]) -> Task:
    images = [name for name in names if name in registry.IMAGE]
    if not images:
        return TextTask.read(data, test, settings, dev=dev)
    if len(images) < len(names):
        others = ", ".join(name for name in names if name not in images)
        raise ConfigError(f"expected architectures of texts or of images, got {', '.join(images)} and {others}")
    return ImageTask(str(data), str(test), None if dev is None else str(dev), len(read_part(test, "test")))


def _linear(
    task: Task, baselines: Sequence[str], finished: FinishedRuns, reporter: Reporter
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the results of the baselines, and the names of those that are not installed."""
    if not baselines:
        return [], []
    if not isinstance(task, TextTask):
        raise ConfigError(f"baselines are for texts, got {', '.join(baselines)} for images; say --baselines none")
    train, test = task.train, task.test
    labels = Labels.collect(train.labels, multi_label=train.multi_label)
    dev = None
    if task.dev is not None:
        rows = read_examples(task.dev, task.reading, multi_label=train.multi_label)
        dev = rows.texts, rows.labels
    results, left_out = [], []
    for name in baselines:
        reporter.say(f"baseline {name}")
        given = (name, train.texts, train.labels, test.texts, test.labels, labels)
        try:
            found = finished.run(f"baseline {name}", partial(run_baseline, dev=dev), *given)
        except MissingExtraError as err:
            reporter.say(f"note: {name} is left out: {err}")
            left_out.append(name)
            continue
        run = dict(found)
        for part in {"test", "own_decisions"} & found.keys():
            run[part] = {metric: found[part][metric] for metric in METRICS}
        results.append({"model": name, "runs": [run], **summarize_runs([run])})
    return results, left_out


def _results(architecture: str, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results of an architecture, and of each branch alone that the models of all seeds have."""
    results = [{"model": architecture, "runs": runs, **summarize_runs(runs)}]
    for part in [name for name in runs[0]["parts"] if all(name in run["parts"] for run in runs)]:
        alone = [{"seed": run["seed"], "test": run["parts"][part]} for run in runs]
        results.append({"model": f"{architecture}, {part} branch alone", "runs": alone, **summarize_runs(alone)})
    return results


def summarize_runs(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean and the sample standard deviation (0 for one run) of each metric over the runs."""
    table = {name: np.array([run["test"][name] for run in runs]) for name in runs[0]["test"]}
    seconds = [run["train_seconds"] for run in runs if "train_seconds" in run]
    return {
        "mean": {name: float(values.mean()) for name, values in table.items()},
        "std": {name: float(values.std(ddof=1)) if len(values) > 1 else 0.0 for name, values in table.items()},
        "train_seconds": float(np.mean(seconds)) if seconds else None,
    }
