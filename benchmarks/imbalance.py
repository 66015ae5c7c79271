"""What helps where a label is rare or labels are wrong: class weights, focal loss, smoothing; linear models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.bench import Bench
from benchmarks.command import Output, Table, main, show, words_of
from benchmarks.panel import load_splits
from benchmarks.spoiling import flip, thin
from textcnn.benchmark.document import FinishedRuns, command_line, describe_machine
from textcnn.errors import ConfigError
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples, read_examples
from textcnn.training.sampler import stratified_split
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_list, split_numbers

RATIO = 50  # rows of the other label for each row of the rare one
FLIPPED = 0.2  # share of wrong labels
DEV_SHARE = 0.2  # of the training rows, where gamma and smoothing are chosen
GAMMAS = (0.5, 1.0, 2.0, 5.0)
SMOOTHINGS = (0.2, 0.3, 0.4, 0.6)  # more than the default's 0.1
STUDIES: Mapping[str, str] = {"imbalanced-sst2": "sst2", "flipped-sst2": "sst2", "flipped-trec": "trec"}


def run_imbalance(
    folder: Path,
    reporter: Reporter,
    *,
    studies: Sequence[str] = tuple(STUDIES),
    seeds: Sequence[int] = (1, 2, 3),
    settings: Mapping[str, Any] | None = None,
    output: Path | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Spoil the training rows of a set, train with and without each remedy, measure on the untouched test rows.

    gamma and smoothing are chosen on a fifth of the training rows, by mean over the seeds, before any test figure.

    Args:
        folder: holds a folder for each set.
        reporter: is told of progress.
        studies: of :data:`STUDIES`.
        seeds: each decides what is spoiled, and the training.
        settings: settings by name, for all of our runs.
        output: the document to be written; runs that a stopped start finished for it are kept next to it.
        arguments: the command line, for the record.

    Returns:
        A document of JSON values.

    Raises:
        ConfigError: an unknown study.
        DataError: a set that is not there.
    """
    if unknown := [name for name in studies if name not in STUDIES]:
        raise ConfigError(f"studies must be of {', '.join(STUDIES)}, got {', '.join(map(repr, unknown))}")
    given = dict(settings or {})
    finished = FinishedRuns(output, given)  # study and seed are in the name of each run
    found = {}
    for name in studies:
        train, test = (read_examples(rows) for rows in load_splits(folder / STUDIES[name]))
        study = _imbalanced if name.startswith("imbalanced") else _flipped
        found[name] = {"set": STUDIES[name], **study(name, train, test, given, seeds, finished, reporter)}
    document = {
        "benchmark": "imbalance",
        **describe_machine(),
        "command": command_line(arguments),
        "settings": given,
        "studies": found,
    }
    finished.write(document)
    return document


def _imbalanced(
    name: str,
    train: Examples,
    test: Examples,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    finished: FinishedRuns,
    reporter: Reporter,
) -> dict[str, Any]:
    """Dev rows have the labels in their first shares, as the test rows have: only what trains is thinned."""
    rare = max(name for row in train.labels for name in row)
    bench = Bench(name, settings, seeds, finished, reporter, rare)
    kept, held = stratified_split(train.labels, DEV_SHARE, seed=0)
    inner, dev = train.subset(kept), train.subset(held)
    choices = {
        label: bench.choose(
            "focal_gamma", GAMMAS, "macro_f1", lambda seed: thin(inner, rare, RATIO, seed=seed), lambda _: dev, fixed
        )
        for label, fixed in {"focal": {}, "balanced + focal": {"class_weight": "balanced"}}.items()
    }
    balanced = {"class_weight": "balanced"}
    ours: dict[str, dict[str, Any]] = {
        "default": {},
        "class_weight balanced": balanced,
        "focal": {"focal_gamma": choices["focal"][0]},
        "balanced + focal": {**balanced, "focal_gamma": choices["balanced + focal"][0]},
    }

    def rows(seed: int) -> Examples:
        return thin(train, rare, RATIO, seed=seed)

    results = [bench.ours(model, rows, test, given) for model, given in ours.items()]
    results += [
        bench.by_shares("default, probabilities divided by the labels' shares", rows, test),
        bench.linear("svm", rows, test, "svm"),
        bench.linear("svm, class_weight balanced", rows, test, "svm", balanced=True),
    ]
    counts = {label: rows(seeds[0]).labels.count((label,)) for label in sorted({row[0] for row in train.labels})}
    choice = {label: told for label, (_, told) in choices.items()}
    return {"rare": rare, "ratio": RATIO, "train_counts": counts, "choices": choice, "results": results}


def _flipped(
    name: str,
    train: Examples,
    test: Examples,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    finished: FinishedRuns,
    reporter: Reporter,
) -> dict[str, Any]:
    """Dev rows are flipped like all others: whoever has such data has no clean ones."""
    bench = Bench(name, settings, seeds, finished, reporter)

    def rows(seed: int) -> Examples:
        return flip(train, FLIPPED, seed=seed)

    kept, held = stratified_split(train.labels, DEV_SHARE, seed=0)
    smoothing, told = bench.choose(
        "label_smoothing",
        SMOOTHINGS,
        "accuracy",
        lambda seed: rows(seed).subset(kept),
        lambda seed: rows(seed).subset(held),
    )
    results = [
        bench.ours("clean labels: default", lambda _: train, test, {}),
        bench.ours("default", rows, test, {}),
        bench.ours("more smoothing", rows, test, {"label_smoothing": smoothing}),
    ]
    for baseline in ("svm", "logistic"):
        results.append(bench.linear(f"clean labels: {baseline}", lambda _: train, test, baseline))
        results.append(bench.linear(baseline, rows, test, baseline))
    return {"flipped": FLIPPED, "choices": {"more smoothing": told}, "results": results}


def to_markdown(document: Mapping[str, Any]) -> str:
    """A table for each study, and the dev figures that chose."""
    parts = ["# Rare labels and wrong labels"]
    for study in document["studies"].values():
        seeds = len(study["results"][0]["runs"])
        if "rare" in study:
            counts = ", ".join(f"{count:,} rows of {label!r}" for label, count in study["train_counts"].items())
            parts.append(f"## {study['set']}, labels 1 : {study['ratio']}\n\n{counts}; the test rows as they are.")
        else:
            parts.append(f"## {study['set']}, {study['flipped']:.0%} of the training labels wrong")
        metrics = list(study["results"][0]["mean"])
        headings = {"accuracy": "accuracy, %", "macro_f1": "macro F1, %", "rare_recall": "recall of the rare label, %"}
        lines = [f"| model | {' | '.join(headings[name] for name in metrics)} |", "| --- " * (len(metrics) + 1) + "|"]
        lines += [
            f"| {_model(found)} | {' | '.join(_cell(found, name) for name in metrics)} |" for found in study["results"]
        ]
        parts.append("\n".join(lines))
        told = [
            f"{label}: `{choice['setting']}` {choice['chosen']:g} of "
            + ", ".join(f"{value} ({100 * mean:.1f})" for value, mean in choice["dev"].items())
            for label, choice in study["choices"].items()
        ]
        metric = next(iter(study["choices"].values()))["metric"].replace("_", " ")
        parts.append(f"Means over {seeds} seeds. Chosen on dev rows, by {metric}, %: {'; '.join(told)}.")
    return "\n\n".join(parts) + "\n"


def _model(found: Mapping[str, Any]) -> str:
    given = ", ".join(f"`{name}={value}`" for name, value in found["settings"].items())
    return f"{found['model']} ({given})" if given else str(found["model"])


def _cell(found: Mapping[str, Any], metric: str) -> str:
    return f"{100 * found['mean'][metric]:.1f} ± {100 * found['std'][metric]:.1f}"


def imbalance(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="holds {sst2,trec}/{train,test}.csv.gz")],
    studies: Annotated[
        str, typer.Option(metavar="S,S,...", help="what is spoiled, and of which set")
    ] = "imbalanced-sst2,flipped-sst2,flipped-trec",
    seeds: Annotated[str, typer.Option(metavar="N,N,...", help="one run each")] = "1,2,3",
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
) -> None:
    """What helps where a label is rare or labels are wrong: class weights, focal loss, smoothing, linear models.

    Example: python -m benchmarks.imbalance FOLDER --studies flipped-trec --output imbalance.json
    """
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_imbalance(
        folder,
        reporter(),
        studies=split_list("--studies", studies, str, "names") or (),
        seeds=split_numbers("--seeds", seeds) or (),
        settings=options.merge_settings(None, set, {}),
        output=output,
        arguments=words_of("imbalance"),
    )
    show(to_markdown(document), table)


if __name__ == "__main__":
    main(imbalance)
