"""Accuracy on one data set: every architecture with every seed, the parts of each model, and linear baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.benchmark.baselines import NAMES, run_baseline
from textcnn.benchmark.document import data_name, shown_settings
from textcnn.benchmark.machine import command_line, describe_machine
from textcnn.benchmark.resumable import FinishedRuns
from textcnn.benchmark.tasks import METRICS, ImageTask, Task, TextTask
from textcnn.errors import ConfigError, MissingExtraError
from textcnn.image.reading import read_part
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.training.progress import Reporter

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

    One budget for all: the same settings, the number of epochs among them. Nothing is chosen by the test rows, and
    every run is reported. The branches of a model with two of them are also measured alone, from the logits of the
    same run.

    Args:
        data: training rows, anything ``textcnn.train`` takes; for image architectures a source of images.
        test: the rows to measure on.
        settings: settings by name, for all runs.
        architectures: names of the registry, all of texts or all of images; ``all``: every one for texts.
        seeds: one run each.
        reporter: is told of progress.
        dev: rows that choose the best epoch and calibrate.
        baselines: of :data:`textcnn.benchmark.baselines.NAMES`, for texts, one run each; fastText is left out, with a
            note, where it is not installed.
        output: the document to be written; runs that a stopped start finished for it are kept beside it.
        arguments: the command line, for the record.

    Returns:
        A document of JSON values: machine, command, settings, and for each model its runs, means and standard
        deviations.

    Raises:
        ConfigError: no architecture, no seed, texts and images at once, or an unknown baseline.
        DataError: data that cannot be read as asked.
    """
    names = list(registry.TEXT) if list(architectures) == [ALL] else list(architectures)
    if not names or not seeds:
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
        raise ConfigError(f"expected architectures of texts or of images, got {', '.join(images)} beside {others}")
    return ImageTask(str(data), str(test), None if dev is None else str(dev), len(read_part(test, "test")))


def _linear(
    task: Task, baselines: Sequence[str], finished: FinishedRuns, reporter: Reporter
) -> tuple[list[dict[str, Any]], list[str]]:
    """Results of the baselines, and the names of those that are not installed."""
    if not baselines:
        return [], []
    if not isinstance(task, TextTask):
        raise ConfigError(f"baselines are for texts, got {', '.join(baselines)} for images; say --baselines none")
    train, held = task.train, task.test
    labels = Labels.collect(train.labels, multi_label=train.multi_label)
    results, left_out = [], []
    for name in baselines:
        reporter.say(f"baseline {name}")
        given = (name, train.texts, train.labels, held.texts, held.labels, labels)
        try:
            found = finished.run(f"baseline {name}", run_baseline, *given)
        except MissingExtraError as err:
            reporter.say(f"note: {name} is left out: {err}")
            left_out.append(name)
            continue
        run = dict(found)
        for part in {"test", "own_decisions"} & found.keys():
            run[part] = {metric: found[part][metric] for metric in METRICS[:-1]}
        results.append({"model": name, "runs": [run], **summarize_runs([run])})
    return results, left_out


def _results(architecture: str, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The architecture, and each of its branches on its own."""
    results = [{"model": architecture, "runs": runs, **summarize_runs(runs)}]
    for part in runs[0]["parts"]:
        alone = [{"seed": run["seed"], "test": run["parts"][part]} for run in runs]
        results.append({"model": f"{architecture}, {part} branch alone", "runs": alone, **summarize_runs(alone)})
    return results


def summarize_runs(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean of each metric over the runs, and its standard deviation (of the sample; 0 for one run)."""
    table = {name: np.array([run["test"][name] for run in runs]) for name in runs[0]["test"]}
    seconds = [run["train_seconds"] for run in runs if "train_seconds" in run]
    return {
        "mean": {name: float(values.mean()) for name, values in table.items()},
        "std": {name: float(values.std(ddof=1)) if len(values) > 1 else 0.0 for name, values in table.items()},
        "train_seconds": float(np.mean(seconds)) if seconds else None,
    }
