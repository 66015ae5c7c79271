"""What a tree over the labels brings: how many rows are answered at one accuracy, by labels alone and by nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command import Output, Table, main, words_of, write_outputs
from benchmarks.panel import load_splits
from textcnn.benchmark.document import command_line, describe_machine
from textcnn.errors import DataError
from textcnn.evaluation.promises import Promise, sure_answers
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples, read_examples
from textcnn.runs import train_text
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_numbers

SET, HIERARCHY, ACCURACY = "wordnet-gloss-45", ".", 0.95
KINDS = {"flat": None, "tree": HIERARCHY}


def run_trees(
    folder: Path,
    reporter: Reporter,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    accuracy: float = ACCURACY,
    settings: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Train with and without the tree, and measure the answers on the test rows that held-out rows promise to be right.

    Args:
        folder: holds the set's folder.
        reporter: receives progress messages.
        seeds: one run of each kind for each.
        accuracy: the share of the answers that are to be right; the threshold is that of held-out training rows.
        settings: settings by name of all runs.
        arguments: the command line, for the record.

    Returns:
        A document of JSON values.

    Raises:
        DataError: the set is not there, or a model has no held-out rows.
    """
    train, test = (read_examples(rows) for rows in load_splits(folder / SET))
    runs = []
    for seed in seeds:
        own = {**(settings or {}), "seed": seed}
        run = {kind: _measure(train, test, {**own, "hierarchy": KINDS[kind]}, accuracy, reporter) for kind in KINDS}
        runs.append({"seed": seed, **run})
        shares = " and ".join(f"{run[kind]['sure']['share']:.1%} {kind}" for kind in KINDS)
        reporter.say(f"seed {seed}: {shares} answered at {accuracy:.0%}")
    return {
        "benchmark": "trees",
        **describe_machine(),
        "command": command_line(arguments),
        "settings": dict(settings or {}),
        "set": SET,
        "hierarchy": HIERARCHY,
        "accuracy": accuracy,
        "rows": {"train": len(train), "test": len(test)},
        "runs": runs,
    }


def _measure(
    train: Examples, test: Examples, settings: Mapping[str, Any], accuracy: float, reporter: Reporter
) -> dict[str, Any]:
    predictor = train_text(train, settings, reporter).predictor
    if predictor.held_out is None:
        raise DataError(f"expected rows enough to hold some out, found {len(train):,}")
    encoded = predictor.text_inputs().encode(test.texts)
    scores = predictor.score(encoded, test.labels)
    promise = Promise(predictor.held_out.least_confidence(accuracy))
    sure = sure_answers(test.labels, predictor.probabilities_of(encoded), predictor.labels, promise)
    kept: dict[str, Any] = {
        name: scores[name] for name in ("accuracy", "macro_f1", "ece", "hierarchy") if name in scores
    }
    return {**kept, "sure": sure}


def to_markdown(document: Mapping[str, Any]) -> str:
    """Return the table: by seed and in the mean, accuracy and the share of rows answered, flat and by the tree."""
    runs, wanted = document["runs"], document["accuracy"]
    levels = [entry["level"] for entry in runs[0]["tree"]["hierarchy"]["levels"]]
    columns = [
        *(f"accuracy, {kind}" for kind in KINDS),
        *(f"at level {level}" for level in levels[:-1]),
        "hierarchical F1",
        *(part for kind in KINDS for part in (f"answered, {kind}", "of these right")),
        *(f"answered at level {level}" for level in levels),
    ]
    cells = [
        [
            *(run[kind]["accuracy"] for kind in KINDS),
            *(entry["accuracy"] for entry in run["tree"]["hierarchy"]["levels"][:-1]),
            run["tree"]["hierarchy"]["f1"],
            *(run[kind]["sure"][name] or 0.0 for kind in KINDS for name in ("share", "accuracy")),
            *run["tree"]["sure"]["levels"],
        ]
        for run in runs
    ]
    rows = [
        *((str(run["seed"]), row) for run, row in zip(runs, cells, strict=True)),
        ("mean", np.mean(cells, axis=0).tolist()),
    ]
    lines = [f"| seed | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    lines += [f"| {name} | {' | '.join(f'{100 * value:.1f}' for value in row)} |" for name, row in rows]
    size = document["rows"]
    return (
        f"# Trees of labels\n\n{document['set']}, labels as `noun.animal` (`--hierarchy {document['hierarchy']}`): "
        f"{size['train']:,} training and {size['test']:,} test rows, %. Answered: rows as sure as `--min-accuracy "
        f"{wanted:g}` asks for by held-out training rows; flat with a label, in the tree with any node.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def trees(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help=f"holds {SET}/{{train,test}}.csv.gz")],
    seeds: Annotated[
        str, typer.Option(metavar="N,N,...", help="one run with and one without the tree for each")
    ] = "1,2,3",
    accuracy: Annotated[
        float, typer.Option(metavar="SHARE", help="share of the answers that are to be right")
    ] = ACCURACY,
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
    json: options.Json = False,
) -> None:
    """Train with and without the tree of labels, and measure how many rows are answered at one accuracy.

    Example: python -m benchmarks.trees FOLDER --output trees.json
    """
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_trees(
        folder,
        reporter(),
        seeds=split_numbers("--seeds", seeds) or (),
        accuracy=accuracy,
        settings=options.merge_settings(None, set, {}),
        arguments=words_of("trees"),
    )
    write_outputs(document, to_markdown, output, table, json)


if __name__ == "__main__":
    main(trees)
