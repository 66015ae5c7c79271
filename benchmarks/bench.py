"""Runs of a study on spoiled training rows: ours, linear models, and the choice of a setting on dev rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from textcnn.benchmark.accuracy import summarize_runs
from textcnn.benchmark.baselines import run_baseline
from textcnn.benchmark.document import FinishedRuns
from textcnn.config import Config
from textcnn.evaluation.metrics import score
from textcnn.labels import Labels
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples
from textcnn.runs import run_text

METRICS = ("accuracy", "macro_f1")


class Bench:
    """Runs on rows of one set: ours and linear models, with what they measure.

    Args:
        name: of the study, for the names of the runs.
        settings: for all of our runs.
        seeds: of the spoiling and of the training, one run each.
        finished: keeps the runs.
        reporter: is told of progress.
        rare: the label whose recall is measured too; or none.
    """

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        seeds: Sequence[int],
        finished: FinishedRuns,
        reporter: Reporter,
        rare: str | None = None,
    ) -> None:
        self.name, self.seeds = name, seeds
        self._settings, self._finished, self._reporter, self._rare = settings, finished, reporter, rare

    def ours(
        self, model: str, train: Callable[[int], Examples], test: Examples, settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Our model with these settings, a run for each seed."""

        def measure(seed: int) -> dict[str, Any]:
            config = Config.from_flat({**self._settings, **settings, "seed": seed})
            return self._kept(run_text(train(seed), config, self._reporter, test=test).summary["test"])

        return {"model": model, "settings": dict(settings), **self._runs(model, measure)}

    def by_shares(self, model: str, train: Callable[[int], Examples], test: Examples) -> dict[str, Any]:
        """Our default, its probabilities divided by the labels' shares of the training rows.

        That is the decision for labels that are all as likely (Menon et al. 2021, arXiv 2007.07314, post hoc).
        """

        def measure(seed: int) -> dict[str, Any]:
            rows = train(seed)
            predictor = run_text(rows, Config.from_flat({**self._settings, "seed": seed}), self._reporter).predictor
            labels = predictor.labels
            shares = np.bincount(labels.encode(rows.labels), minlength=len(labels)) / len(rows)
            scaled = predictor.predict_proba(test.texts) / shares
            probabilities = scaled / scaled.sum(axis=1, keepdims=True)
            return self._kept(score(test.labels, probabilities, labels, [0.5] * len(labels)))

        return {"model": model, "settings": {}, **self._runs(model, measure)}

    def linear(
        self, model: str, train: Callable[[int], Examples], test: Examples, baseline: str, balanced: bool = False
    ) -> dict[str, Any]:
        """A linear model, a run for each seed of the spoiling; where one label is rare, macro F1 chooses its cost."""

        def measure(seed: int) -> dict[str, Any]:
            rows = train(seed)
            labels = Labels.collect(rows.labels, multi_label=False)
            metric = None if self._rare is None else "macro_f1"
            found = run_baseline(
                baseline, rows.texts, rows.labels, test.texts, test.labels, labels, balanced=balanced, metric=metric
            )
            return self._kept(found["test"])

        return {"model": model, "settings": {}, **self._runs(model, measure)}

    def _runs(self, model: str, measure: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
        runs = []
        for seed in self.seeds:
            name = f"{self.name}: {model}, seed {seed}"
            self._reporter.say(name)
            runs.append({"seed": seed, "test": self._finished.run(name, measure, seed)})
        return {"runs": runs, **summarize_runs(runs)}

    def _kept(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: scores[name] for name in METRICS}
        return kept if self._rare is None else {**kept, "rare_recall": scores["per_label"][self._rare]["recall"]}

    def choose(
        self,
        setting: str,
        values: Sequence[float],
        metric: str,
        train: Callable[[int], Examples],
        dev: Callable[[int], Examples],
        fixed: Mapping[str, Any] | None = None,
    ) -> tuple[float, dict[str, Any]]:
        """The value of the best mean on dev rows, and all the means."""
        means = {}
        for value in values:
            chosen = {**(fixed or {}), setting: value}
            model = f"dev rows, {', '.join(f'{name} {item}' for name, item in chosen.items())}"
            means[value] = self._on_dev(model, chosen, metric, train, dev)
        best = max(means, key=means.__getitem__)
        table = {f"{value:g}": mean for value, mean in means.items()}
        return best, {"setting": setting, "fixed": dict(fixed or {}), "metric": metric, "dev": table, "chosen": best}

    def _on_dev(
        self,
        model: str,
        settings: Mapping[str, Any],
        metric: str,
        train: Callable[[int], Examples],
        dev: Callable[[int], Examples],
    ) -> float:
        def measure(seed: int) -> dict[str, Any]:
            config = Config.from_flat({**self._settings, **settings, "seed": seed})
            found = run_text(train(seed), config, self._reporter, test=dev(seed)).summary["test"]
            return {metric: found[metric]}

        return float(self._runs(model, measure)["mean"][metric])
