"""The panel: the accuracy benchmark over a folder of data sets, its table and its picture."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command import main, words_of
from textcnn.atomic import write_text
from textcnn.benchmark.accuracy import accuracy_benchmark
from textcnn.benchmark.baselines import NAMES
from textcnn.benchmark.document import FinishedRuns
from textcnn.errors import DataError, import_extra
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples, read_examples
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_list

TEST_SHARE = 10  # without a split of its own, one row in this many is a test row


def load_splits(folder: Path) -> tuple[Any, Any]:
    """Training and test rows of a set: ``train`` and ``test``, or ``all`` shuffled by seed 1, its first tenth test.

    Raises:
        DataError: the folder holds neither.
    """
    found = {name: folder / f"{name}.csv.gz" for name in ("train", "test", "all")}
    if found["train"].is_file() and found["test"].is_file():
        return str(found["train"]), str(found["test"])
    if not found["all"].is_file():
        raise DataError("expected train.csv.gz and test.csv.gz, or all.csv.gz, found none of them", path=folder)
    examples = read_examples(str(found["all"]))
    order = list(range(len(examples)))
    random.Random(1).shuffle(order)
    size = len(order) // TEST_SHARE
    return _pairs(examples.subset(order[size:])), _pairs(examples.subset(order[:size]))


def read_panel(path: Path) -> dict[str, Any]:
    """The document that an earlier run of the panel has written.

    Raises:
        DataError: it is something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["benchmark"] == "panel":
            return dict(document)
        problem = f"found benchmark {document['benchmark']!r}"
    except (OSError, ValueError, TypeError, KeyError) as err:
        problem = f"found {err!r}"
    raise DataError(f"expected a document of `benchmark panel --output`, {problem}", path=path)


def run_panel(
    folder: Path,
    sets: Mapping[str, Sequence[int]],
    settings: Mapping[str, Any],
    baselines: Mapping[str, Sequence[str]],
    reporter: Reporter,
    *,
    earlier: Mapping[str, Any] | None = None,
    output: Path | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """The accuracy benchmark of every set.

    Args:
        folder: holds a folder for each set.
        sets: their names, and the seeds of each.
        settings: settings by name, for all runs.
        baselines: for each set, the models compared with ours.
        reporter: is told of progress.
        earlier: a panel's document, whose baselines on the same rows are taken over, each with its commit.
        output: the document to be written; sets that a stopped start finished for it are kept next to it.
        arguments: the command line, for the record.

    Raises:
        DataError: a set that is not there.
    """
    documents = {}
    finished = FinishedRuns(output, {"settings": {name: str(value) for name, value in settings.items()}})
    for name, seeds in sets.items():
        reporter.say(f"set {name}")
        train, test = load_splits(folder / name)
        dev = folder / name / "dev.csv.gz"
        measure = partial(
            accuracy_benchmark,
            # One label a text needs no dev rows; thresholds do.
            dev=str(dev) if dev.is_file() and read_examples(str(dev)).multi_label else None,
            baselines=baselines[name],
            arguments=arguments,
        )
        run = f"{name}, seeds {', '.join(map(str, seeds))}"
        found = dict(finished.run(run, measure, train, test, settings, ["kim"], list(seeds), reporter))
        documents[name] = {**found, "results": [*found["results"], *_earlier_baselines(earlier or {}, name, found)]}
    document = {"benchmark": "panel", "sets": documents}
    finished.write(document)
    return document


def _earlier_baselines(earlier: Mapping[str, Any], name: str, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Baselines of a set that were measured before on as many test rows, without those that were measured now."""
    before = earlier.get("sets", {}).get(name, {})
    if before.get("num_test") != found["num_test"] or before["data"] != found["data"]:
        return []
    measured = {result["model"] for result in found["results"]}
    kept = [result for result in before["results"] if result["model"] in set(NAMES) - measured]
    return [{"commit": before["commit"], **result} for result in kept]


def to_markdown(document: Mapping[str, Any]) -> str:
    """One line for each set, one column for each model: mean test accuracy over the seeds.

    Multi-label: micro / macro F1.
    """
    sets = document["sets"]
    models = list(dict.fromkeys(result["model"] for found in sets.values() for result in found["results"]))
    lines = [f"| set (seeds) | {' | '.join(models)} | train, s |", "| --- " * (len(models) + 2) + "|"]
    for name, found in sets.items():
        metrics = ["accuracy"] if _metric(found) == "accuracy" else ["micro_f1", "macro_f1"]
        cells = {result["model"]: _cell(result, metrics) for result in found["results"]}
        first = found["results"][0]
        row = " | ".join(cells.get(model, "") for model in models)
        lines.append(f"| {name} ({len(first['runs'])}) | {row} | {first['train_seconds']:.0f} |")
    return "\n".join(lines) + "\n"


def save_plot(document: Mapping[str, Any], path: Path) -> None:
    """A dot for each model, a row for each set; bars are two standard errors of one test figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure_module = import_extra("matplotlib.figure", extra="plot", feature="drawing the panel")
    sets = document["sets"]
    models = list(dict.fromkeys(result["model"] for found in sets.values() for result in found["results"]))
    figure = figure_module.Figure(figsize=(9, 1.2 + 0.7 * len(sets)), layout="constrained")
    axes = figure.subplots()
    for number, model in enumerate(models):
        points = [
            (100 * result["mean"][_metric(found)], row + 0.08 * (number - len(models) / 2), _two_errors(found, result))
            for row, found in enumerate(sets.values())
            for result in found["results"]
            if result["model"] == model
        ]
        x, y, bars = zip(*points, strict=True)
        axes.errorbar(x, y, xerr=bars, fmt="os^Dv*X"[number % 7], label=model, capsize=2)
    axes.set_yticks(range(len(sets)), list(sets))
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy, % (multi-label: micro F1); bars: two standard errors of one test figure")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=120)


def _pairs(examples: Examples) -> tuple[list[str], list[str]]:
    return list(examples.texts), [row[0] for row in examples.labels]


def _metric(found: Mapping[str, Any]) -> str:
    first = found["results"][0]["mean"]
    return "accuracy" if first["accuracy"] == first["micro_f1"] else "micro_f1"


def _cell(result: Mapping[str, Any], metrics: Sequence[str]) -> str:
    several = len(result["runs"]) > 1
    return " / ".join(
        f"{100 * result['mean'][name]:.1f}" + (f" ± {100 * result['std'][name]:.1f}" if several else "")
        for name in metrics
    )


def _two_errors(found: Mapping[str, Any], result: Mapping[str, Any]) -> float:
    """Two binomial standard errors, in percent."""
    share, rows = result["mean"][_metric(found)], found["num_test"]
    return float(200 * (share * (1 - share) / rows) ** 0.5)


Baselines = Annotated[
    str,
    typer.Option(
        metavar="B,B,...",
        help="models compared with ours: svm, logistic, svm-char, svm-words+char, fasttext (where installed), or none",
    ),
]


def panel(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="holds NAME/{train,test}.csv.gz or NAME/all.csv.gz")],
    sets: Annotated[str, typer.Option(metavar="S,S,...", help="names of the sets; NAME:N takes N seeds")],
    seeds: Annotated[int, typer.Option(min=1, help="runs of each set, by seeds from 1")] = 3,
    baselines: Baselines = "svm,svm-char,fasttext",
    baselines_of: Annotated[
        Path | None,
        typer.Option(help="an earlier document: its baselines on the same rows are taken over, with their commit"),
    ] = None,
    set: options.Set = None,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw the panel into this .png, .svg or .pdf file")] = None,
) -> None:
    """Our default, its branches alone, and baselines on every set of a folder."""
    from textcnn_cli.train import reporter

    prepare_outputs(output, plot, table)
    parts = [name.partition(":") for name in split_list("--sets", sets, str, "names") or ()]
    wanted = {name: range(1, (int(count) if count else seeds) + 1) for name, _, count in parts}
    compared = () if baselines == "none" else split_list("--baselines", baselines, str, "names") or ()
    document = run_panel(
        folder,
        {name: list(numbers) for name, numbers in wanted.items()},
        options.merge_settings(None, set, {}),
        dict.fromkeys(wanted, compared),
        reporter(),
        earlier=None if baselines_of is None else read_panel(baselines_of),
        output=output,
        arguments=words_of("panel"),
    )
    if table is not None:
        write_text(table, to_markdown(document))
    if plot is not None:
        save_plot(document, plot)
    print(to_markdown(document), end="")


if __name__ == "__main__":
    main(panel)
