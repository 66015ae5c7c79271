"""The panel: the accuracy benchmark over a folder of data sets, its table and its picture.

Our model and the baselines can be measured apart: a baseline does not depend on our code, so its document is made once,
and that of our model takes its results over.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command import Output, Table, main, show, words_of
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
    baselines: Sequence[str],
    reporter: Reporter,
    *,
    ours: bool = True,
    earlier: Mapping[str, Any] | None = None,
    output: Path | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Run the accuracy benchmark on every set, each model by itself.

    Args:
        folder: holds a folder for each set.
        sets: their names, and the seeds of each.
        settings: settings by name, for all runs.
        baselines: the models compared with ours.
        reporter: is told of progress.
        ours: whether our model is measured.
        earlier: a panel's document, whose baselines on the same rows are taken over, each with its commit.
        output: the document to be written. Its sets that are not measured now stay; runs that a stopped start finished
            for it are kept next to it, and not repeated.
        arguments: the command line, for the record.

    Raises:
        DataError: a set that is not there, or ``output`` is another document.
    """
    before = read_panel(output)["sets"] if output is not None and output.exists() else {}
    documents = {}
    finished = FinishedRuns(output, {"settings": {name: str(value) for name, value in settings.items()}})
    for name, seeds in sets.items():
        train, test = load_splits(folder / name)
        dev = folder / name / "dev.csv.gz"
        measure = partial(
            accuracy_benchmark,
            # One label a text needs no dev rows; thresholds do.
            dev=str(dev) if dev.is_file() and read_examples(str(dev)).multi_label else None,
            arguments=arguments,
        )
        models: dict[str, tuple[Sequence[str], Sequence[str]]] = {baseline: ((), (baseline,)) for baseline in baselines}
        if ours:
            models = {f"seeds {', '.join(map(str, seeds))}": (("kim",), ()), **models}
        parts = []
        for model, (architectures, compared) in models.items():
            reporter.say(f"set {name}, {model}")
            given = partial(measure, baselines=compared)
            parts.append(
                finished.run(f"{name}, {model}", given, train, test, settings, architectures, list(seeds), reporter)
            )
        documents[name] = {
            **parts[0],
            "left_out": [model for part in parts for model in part["left_out"]],
            "results": [{"commit": part["commit"], **result} for part in parts for result in part["results"]],
        }
    taken = {
        name: _with_baselines(found, (earlier or {"sets": {}})["sets"].get(name))
        for name, found in {**before, **documents}.items()
    }
    document = {"benchmark": "panel", "sets": taken}
    finished.write(document)
    return document


def _with_baselines(found: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a set with the baselines that were measured before on the same rows, in place of those that it has."""
    if before is None or before["num_test"] != found["num_test"] or before["data"] != found["data"]:
        return dict(found)
    baselines = [{"commit": before["commit"], **result} for result in before["results"] if result["model"] in NAMES]
    names = {result["model"] for result in baselines}
    return {**found, "results": [*(one for one in found["results"] if one["model"] not in names), *baselines]}


def to_markdown(document: Mapping[str, Any]) -> str:
    """Return a line for each set and a column for each model: mean test accuracy over the seeds.

    Multi-label: micro / macro F1. Where our model is measured, there are its calibration error, its log loss and the
    seconds of its training.
    """
    sets = document["sets"]
    models = list(dict.fromkeys(result["model"] for found in sets.values() for result in found["results"]))
    ours = any(model not in NAMES for model in models)
    heads = ["set (seeds)", *models, *(("ECE, %", "log loss", "train, s") if ours else ())]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, found in sets.items():
        metrics = ["accuracy"] if _metric(found) == "accuracy" else ["micro_f1", "macro_f1"]
        cells = {result["model"]: _cell(result, metrics) for result in found["results"]}
        first = found["results"][0]
        row = [f"{name} ({len(first['runs'])})", *(cells.get(model, "") for model in models)]
        if ours:
            mean = first["mean"]
            row += [f"{100 * mean['ece']:.1f}", f"{mean['log_loss']:.3f}" if "log_loss" in mean else ""]
            row.append(f"{first['train_seconds']:.0f}")
        lines.append(f"| {' | '.join(row)} |")
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


class Only(StrEnum):
    """What is measured, of our model and its peers."""

    OURS = "ours"
    PEERS = "peers"


def panel(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="holds NAME/{train,test}.csv.gz or NAME/all.csv.gz")],
    sets: Annotated[
        str | None,
        typer.Option(metavar="S,S,...", help="sets to measure, others stay as --output has them; NAME:N takes N seeds"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="runs of each set, by seeds from 1")] = 3,
    only: Annotated[
        Only | None, typer.Option(help="measure our model alone, or its peers alone; otherwise both")
    ] = None,
    baselines: Annotated[
        str,
        typer.Option(
            metavar="B,B,...",
            help="peers: svm, logistic, svm-char, svm-words+char, fasttext (if installed)",
        ),
    ] = "svm,svm-char,svm-words+char,fasttext",
    baselines_of: Annotated[
        Path | None,
        typer.Option(help="an earlier document: its baselines on the same rows are taken over, with their commit"),
    ] = None,
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
    plot: Annotated[Path | None, typer.Option(help="draw the panel into this .png, .svg or .pdf file")] = None,
) -> None:
    """Our default, its branches alone, and baselines on every set of a folder.

    Example: python -m benchmarks.panel FOLDER --sets trec,sst2 --only peers --output panel-peers.json
    """
    from textcnn_cli.train import reporter

    prepare_outputs(output, plot, table)
    parts = [name.partition(":") for name in split_list("--sets", sets, str, "names") or ()]
    document = run_panel(
        folder,
        {name: range(1, (int(count) if count else seeds) + 1) for name, _, count in parts},
        options.merge_settings(None, set, {}),
        () if only is Only.OURS else split_list("--baselines", baselines, str, "names") or (),
        reporter(),
        ours=only is not Only.PEERS,
        earlier=None if baselines_of is None else read_panel(baselines_of),
        output=output,
        arguments=words_of("panel"),
    )
    if plot is not None:
        save_plot(document, plot)
    show(to_markdown(document), table)


if __name__ == "__main__":
    main(panel)
