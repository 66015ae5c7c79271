"""Accuracy of architectures on one data set: every seed trained and measured, mean and spread told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textcnn.benchmark.machine import command_line, describe_machine
from textcnn.config import Config
from textcnn.errors import ConfigError
from textcnn.runs import run_text
from textcnn.training.progress import Reporter

METRICS = ("accuracy", "macro_f1", "micro_f1", "ece")


def accuracy_benchmark(
    data: Any,
    test: Any,
    settings: Mapping[str, Any],
    architectures: Sequence[str],
    seeds: Sequence[int],
    reporter: Reporter,
    *,
    dev: Any = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Train each architecture with each seed, and measure it once on the test rows.

    Nothing is chosen by the test rows: every run has the same settings and is reported.

    Args:
        data: training rows, anything ``textcnn.train`` takes.
        test: the rows to measure on.
        settings: settings by name, for all runs.
        architectures: names of the registry.
        seeds: one run each.
        reporter: is told of progress.
        dev: rows that choose the best epoch and calibrate.
        arguments: the command line, for the record.

    Returns:
        A document of JSON values: machine, command, settings, and for each architecture its runs, means and standard
        deviations.

    Raises:
        ConfigError: no architecture, or no seed.
        DataError: data that cannot be read as asked.
    """
    if not architectures or not seeds:
        raise ConfigError(f"expected an architecture and a seed at least, got {list(architectures)} and {list(seeds)}")
    results = []
    for architecture in architectures:
        runs = [
            _run(data, test, dev, {**settings, "architecture": architecture, "seed": seed}, reporter) for seed in seeds
        ]
        results.append({"architecture": architecture, "runs": runs, **_summary(runs)})
    return {
        "benchmark": "accuracy",
        "machine": describe_machine(),
        "command": command_line(arguments),
        "settings": dict(settings),
        "results": results,
    }


def _run(data: Any, test: Any, dev: Any, settings: Mapping[str, Any], reporter: Reporter) -> dict[str, Any]:
    reporter.say(f"{settings['architecture']}, seed {settings['seed']}")
    run = run_text(data, Config.from_flat(settings), reporter, dev=dev, test=test)
    summary = run.summary
    kept = ("examples", "num_labels", "num_parameters", "epochs", "best_epoch", "train_seconds", "tokens_per_second")
    scores = {name: summary["test"][name] for name in METRICS}
    return {"seed": settings["seed"], **{name: summary[name] for name in kept}, "test": scores}


def _summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean of each metric over the runs, and its standard deviation (of the sample; 0 for one run)."""
    table = {name: np.array([run["test"][name] for run in runs]) for name in METRICS}
    return {
        "mean": {name: float(values.mean()) for name, values in table.items()},
        "std": {name: float(values.std(ddof=1)) if len(values) > 1 else 0.0 for name, values in table.items()},
        "train_seconds": float(np.mean([run["train_seconds"] for run in runs])),
    }
