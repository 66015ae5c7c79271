"""Accuracy on one data set: every architecture with every seed, the parts of each model, and linear baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.benchmark.baselines import NAMES, run_baseline
from textcnn.benchmark.machine import command_line, describe_machine
from textcnn.config import Config
from textcnn.errors import ConfigError, MissingExtraError
from textcnn.evaluation.metrics import score
from textcnn.evaluation.probabilities import probabilities
from textcnn.inference.artifact import Artifact
from textcnn.labels import Labels
from textcnn.models.forward import branch_logits_of
from textcnn.runs import run_text
from textcnn.text.reading import Examples, read_examples
from textcnn.training.progress import Reporter

METRICS = ("accuracy", "macro_f1", "micro_f1", "ece")
KEPT = ("examples", "num_labels", "num_parameters", "epochs", "best_epoch", "train_seconds", "tokens_per_second")


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
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Train each architecture with each seed, and measure it once on the test rows.

    Nothing is chosen by the test rows: every run has the same settings and is reported. The branches of a model with
    two of them are also measured alone, from the logits of the same run.

    Args:
        data: training rows, anything ``textcnn.train`` takes.
        test: the rows to measure on.
        settings: settings by name, for all runs.
        architectures: names of the registry.
        seeds: one run each.
        reporter: is told of progress.
        dev: rows that choose the best epoch and calibrate.
        baselines: of :data:`textcnn.benchmark.baselines.NAMES`, one run each; fastText is left out, with a note, where
            it is not installed.
        arguments: the command line, for the record.

    Returns:
        A document of JSON values: machine, command, settings, and for each model its runs, means and standard
        deviations.

    Raises:
        ConfigError: no architecture, no seed, or an unknown baseline.
        DataError: data that cannot be read as asked.
    """
    if not architectures or not seeds:
        raise ConfigError(f"expected an architecture and a seed at least, got {list(architectures)} and {list(seeds)}")
    if unknown := [name for name in baselines if name not in NAMES]:
        raise ConfigError(f"baselines must be of {', '.join(NAMES)}, got {', '.join(map(repr, unknown))}")
    config = Config.from_flat(settings)
    train = read_examples(data, config.data)
    held = read_examples(test, replace(config.data, weight_column=None), multi_label=train.multi_label)
    results: list[dict[str, Any]] = []
    left_out = []
    for architecture in architectures:
        runs = [
            _run(data, held, dev, {**settings, "architecture": architecture, "seed": seed}, reporter) for seed in seeds
        ]
        results += _results(architecture, runs)
    for name in baselines:
        reporter.say(f"baseline {name}")
        labels = Labels.collect(train.labels, multi_label=train.multi_label)
        try:
            found = run_baseline(name, train.texts, train.labels, held.texts, held.labels, labels)
        except MissingExtraError as err:
            reporter.say(f"note: {name} is left out: {err}")
            left_out.append(name)
            continue
        run = dict(found)
        for part in {"test", "own_decisions"} & found.keys():
            run[part] = {metric: found[part][metric] for metric in METRICS[:-1]}
        results.append({"model": name, "runs": [run], **summarize_runs([run])})
    return {
        "benchmark": "accuracy",
        **describe_machine(),
        "command": command_line(arguments),
        "settings": {name: Path(value).name if name == "vectors" else value for name, value in settings.items()},
        "num_test": len(held),
        "left_out": left_out,
        "results": results,
    }


def _run(data: Any, test: Examples, dev: Any, settings: Mapping[str, Any], reporter: Reporter) -> dict[str, Any]:
    reporter.say(f"{settings['architecture']}, seed {settings['seed']}")
    run = run_text(data, Config.from_flat(settings), reporter, dev=dev)
    artifact = run.predictor.artifact
    encoded = artifact.text_inputs().encode(test.texts)
    whole = run.predictor.score(encoded, test.labels)
    kept = {name: run.summary[name] for name in KEPT}
    scores = {metric: whole[metric] for metric in METRICS}
    return {"seed": settings["seed"], **kept, "test": scores, "parts": _parts(artifact, encoded, test)}


def _parts(artifact: Artifact, encoded: Any, test: Examples) -> dict[str, dict[str, Any]]:
    """Metrics of each branch alone; nothing for a model that has one, or whose thresholds were set for the sum."""
    if artifact.labels.multi_label:
        return {}
    logits = branch_logits_of(artifact.model, artifact.text_inputs(), encoded)
    if len(logits) < 2:
        return {}
    parts = {}
    for name, of_branch in logits.items():
        probs = probabilities(of_branch, artifact.labels)
        found = score(test.labels, probs, artifact.labels, [0.5] * len(artifact.labels))
        parts[name] = {metric: found[metric] for metric in METRICS}
    return parts


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
