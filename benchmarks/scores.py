"""Predicted ratings against ridge regression on TF-IDF of words, of characters, and of both: five folds of two sets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from benchmarks.command import Output, Table, main, show, words_of
from textcnn.benchmark.document import FinishedRuns, command_line, describe_machine
from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.evaluation.numbers import NUMBER_METRICS, number_scores
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples, read_examples
from textcnn.runs import train_text
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_list

SETS = ("vader-movie", "vader-tweets")
NUM_FOLDS = 5
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)  # of ridge regression, chosen on a fifth of the training rows
RIDGE = {"ridge, words": ("words",), "ridge, characters": ("characters",), "ridge, both": ("words", "characters")}
OURS = "textcnn"

Floats = npt.NDArray[np.float64]


def run_scores(
    folder: Path,
    reporter: Reporter,
    *,
    sets: Sequence[str] = SETS,
    settings: Mapping[str, Any] | None = None,
    output: Path | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Predict the ratings of every fold by models of the other folds, and return a document of JSON values.

    Args:
        folder: holds a folder for each set, with train.csv and test.csv as ``textcnn data get`` writes them.
        reporter: receives progress.
        sets: names of the folders.
        settings: settings by name, for our runs.
        output: the document to be written; runs that a stopped start finished for it are kept next to it.
        arguments: the command line, for the record.

    Raises:
        DataError: a set that is not there.
    """
    given = {"regression": True, **(settings or {})}
    finished, found = FinishedRuns(output, given), {}
    for name in sets:
        examples = read_ratings(folder / name)
        fold = folds_of(examples.texts)
        results = []
        for model in (OURS, *RIDGE):
            runs = []
            for number in range(NUM_FOLDS):
                train, test = examples.subset(fold != number), examples.subset(fold == number)
                reporter.say(f"{name}, fold {number + 1}: {model}")
                runs.append(finished.run(f"{name} {number} {model}", _measure, model, train, test, given, reporter))
            results.append({"model": model, "mean": _means(runs), "runs": runs})
        found[name] = {"rows": len(examples), "results": results}
    document = {
        "benchmark": "scores",
        **describe_machine(),
        "command": command_line(arguments),
        "settings": given,
        "folds": NUM_FOLDS,
        "penalties": list(PENALTIES),
        "sets": found,
    }
    finished.write(document)
    return document


def read_ratings(folder: Path) -> Examples:
    """Return the rows of both splits with their ratings.

    Raises:
        DataError: a split is not there.
    """
    parts = []
    for name in ("train", "test"):
        paths = [path for path in (folder / f"{name}.csv", folder / f"{name}.csv.gz") if path.is_file()]
        if not paths:
            raise DataError(
                f"expected {name}.csv, as `textcnn data get {folder.name}` writes it, found none", path=folder
            )
        parts.append(
            read_examples(paths[0], DataConfig(text_column=("text",), label_column=("rating",), regression=True))
        )
    pairs = [(text, float(row[0])) for part in parts for text, row in zip(part.texts, part.labels, strict=True)]
    return read_examples(pairs, DataConfig(regression=True))


def folds_of(texts: Sequence[str], num_folds: int = NUM_FOLDS) -> npt.NDArray[np.int64]:
    """Return the fold ``(N,)`` of each text, drawn with seed 0; equal texts are in one fold."""
    _, groups = np.unique(np.array(texts, object).astype(str), return_inverse=True)
    return (np.random.default_rng(0).permutation(groups.max() + 1) % num_folds)[groups]


def _measure(
    model: str, train: Examples, test: Examples, settings: Mapping[str, Any], reporter: Reporter
) -> dict[str, Any]:
    began = time.perf_counter()
    if model == OURS:
        run = train_text(train, settings, reporter)
        predicted, chosen = np.array(run.predictor.predict(test.texts)), run.calibration.facts.get("weights")
    else:
        predicted, chosen = _ridge(RIDGE[model], train, test)
    scores = number_scores(_numbers(test)[:, None], predicted[:, None], ("rating",))
    return {**scores, "seconds": time.perf_counter() - began, "chosen": chosen}


def _ridge(kinds: Sequence[str], train: Examples, test: Examples) -> tuple[Floats, dict[str, float]]:
    """Return the predictions of ridge regression, and the penalty that a fifth of the training rows chose by MAE."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    makers = {
        "words": lambda: TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        "characters": lambda: TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    }

    def predictions(known: Examples, asked: Examples, penalties: Sequence[float]) -> list[Floats]:
        fitted = [makers[kind]().fit(known.texts) for kind in kinds]
        ours, theirs = (hstack([one.transform(part.texts) for one in fitted]).tocsr() for part in (known, asked))
        return [Ridge(alpha=penalty).fit(ours, _numbers(known)).predict(theirs) for penalty in penalties]

    held = folds_of(train.texts) == 0
    tried = predictions(train.subset(~held), train.subset(held), PENALTIES)
    errors = [float(np.abs(found - _numbers(train.subset(held))).mean()) for found in tried]
    best = PENALTIES[int(np.argmin(errors))]
    return predictions(train, test, [best])[0], {"penalty": best}


def _numbers(examples: Examples) -> Floats:
    return np.array([float(row[0]) for row in examples.labels])


def _means(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {name: float(np.mean([run[name] for run in runs])) for name in (*NUMBER_METRICS, "seconds")}


def to_markdown(document: Mapping[str, Any]) -> str:
    """Return the table of a document, with our distance to the best of the others for each fold."""
    parts = ["# Predicted ratings", f"`{document['command']}`"]
    for name, found in document["sets"].items():
        lines = ["| model | Spearman | MAE | R2 | s |", "| --- | --- | --- | --- | --- |"]
        for one in found["results"]:
            mean = one["mean"]
            numbers = f"{mean['spearman']:.4f} | {mean['mae']:.4f} | {mean['r2']:.4f} | {mean['seconds']:.1f}"
            lines.append(f"| {one['model']} | {numbers} |")
        ours, *others = found["results"]
        best = [max(others, key=lambda one: one["mean"]["spearman"]), min(others, key=lambda one: one["mean"]["mae"])]
        gains = [
            [run["spearman"] - other["spearman"] for run, other in zip(ours["runs"], best[0]["runs"], strict=True)],
            [other["mae"] - run["mae"] for run, other in zip(ours["runs"], best[1]["runs"], strict=True)],
        ]
        told = ", ".join(
            f"{kind} better by {np.mean(gain):.4f} ({min(gain):.4f} to {max(gain):.4f} in the folds)"
            for kind, gain in zip(("Spearman", "MAE"), gains, strict=True)
        )
        parts += [f"## {name}, {found['rows']:,} rows", "\n".join(lines), f"Against the best of the others: {told}."]
    return "\n\n".join(parts) + "\n"


def scores(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="holds {vader-movie,vader-tweets}/{train,test}.csv")],
    sets: Annotated[str, typer.Option(metavar="S,S,...", help="the sets")] = ",".join(SETS),
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
) -> None:
    """Predicted ratings against ridge regression on TF-IDF, five folds.

    Example: python -m benchmarks.scores FOLDER --output scores.json
    """
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_scores(
        folder,
        reporter(),
        sets=split_list("--sets", sets, str, "names") or (),
        settings=options.merge_settings(None, set, {}),
        output=output,
        arguments=words_of("scores"),
    )
    show(to_markdown(document), table)


if __name__ == "__main__":
    main(scores)
