"""What a teacher brings: few labelled rows and many without a label, all labels, teachers that harm; speed of both."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import numpy as np
import typer

import textcnn
from benchmarks.command import Output, Table, main, show, words_of
from benchmarks.panel import load_splits
from textcnn.benchmark.document import command_line, describe_machine, write_document
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.progress import Reporter, Silent
from textcnn.reading.rows import Examples, read_examples
from textcnn.teacher.cache import AnswerCache
from textcnn.teacher.encoder import PACKAGED, Floats, Head, encoder_teacher
from textcnn_cli.options import prepare_outputs, split_list, split_numbers

FEW: Mapping[str, tuple[str, int, float, float]] = {  # set, labelled rows a class, floor and aim of the accuracy
    "banking77-5": ("banking77", 5, 0.785, 0.82),
    "banking77-20": ("banking77", 20, 0.885, 0.90),
    "trec-20": ("trec", 20, 0.62, 0.68),
    "sst2-50": ("sst2", 50, 0.72, 0.75),
}
ALL = ("trec", "banking77", "sst2", "mr")
WAYS: Mapping[str, Mapping[str, Any]] = {
    "scratch": {},
    "teacher": {"teacher": PACKAGED},
    "vectors": {"vectors": PACKAGED},
    "both": {"vectors": PACKAGED, "teacher": PACKAGED},
}
HARM = ("random", "shuffled")
PARTS = ("few", "harm", "speed", "all")
MOST_ROWS = 10_000  # of a set's training rows
Pairs = list[tuple[str, str]]


def draw(rows: Pairs, a_class: int, seed: int) -> tuple[Pairs, list[str]]:
    """Draw labelled rows of each class, and return them and the texts of the others.

    Args:
        rows: texts and labels.
        a_class: labelled rows of each class.
        seed: decides which.
    """
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    counts: dict[str, int] = {}
    labelled, texts = [], []
    for text, label in rows[:MOST_ROWS]:
        counts[label] = counts.get(label, 0) + 1
        if counts[label] <= a_class:
            labelled.append((text, label))
        else:
            texts.append(text)
    return labelled, texts


def run_teacher(
    folder: Path,
    reporter: Reporter,
    *,
    parts: Sequence[str] = PARTS,
    few: Sequence[str] = tuple(FEW),
    sets: Sequence[str] = ALL,
    draws: Sequence[int] = (1, 2, 3),
    settings: Mapping[str, Any] | None = None,
    output: Path | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure everything on the test rows, on which nothing is chosen.

    Args:
        folder: holds a folder for each set.
        reporter: receives progress.
        parts: of :data:`PARTS`.
        few: of :data:`FEW`.
        sets: those with all labels.
        draws: seeds of the labelled rows, and of the training.
        settings: settings by name, for all runs.
        output: the document to be written after each run; runs that it has are not repeated.
        arguments: the command line, for the record.

    Raises:
        ConfigError: an unknown part or set.
    """
    if unknown := [name for name in (*parts, *few) if name not in (*PARTS, *FEW)]:
        raise ConfigError(f"parts are {', '.join(PARTS)}, few is of {', '.join(FEW)}, got {unknown[0]!r}")
    runs: dict[str, Any] = {}
    if output is not None and output.exists():
        runs = json.loads(output.read_text(encoding="utf-8"))["runs"]
    document = {
        "benchmark": "teacher",
        "command": command_line(list(arguments)),
        "machine": describe_machine(),
        "settings": dict(settings or {}),
        "runs": runs,
    }

    data: dict[str, tuple[Pairs, Examples]] = {}
    how = {**(settings or {}), "reporter": reporter}
    for part, source, name, seed in _plan(parts, few, sets, draws):
        key = f"{part}/{source}/{name}/{seed}"
        if key in runs:
            continue
        if source not in data:
            train, test = map(read_examples, load_splits(folder / source))
            data[source] = [(text, row[0]) for text, row in zip(train.texts, train.labels, strict=True)], test
        reporter.say(f"--- {key}")
        began = time.perf_counter()
        found = MEASURES[part](*data[source], name, {**how, "seed": seed})
        runs[key] = {**found, "seconds": time.perf_counter() - began}
        reporter.say(f"{key}: {json.dumps(runs[key])}")
        if output is not None:
            write_document(document, output)
    return document


def _plan(
    parts: Sequence[str], few: Sequence[str], sets: Sequence[str], draws: Sequence[int]
) -> Iterator[tuple[str, str, str, int]]:
    """Yield part, set, name and seed of each run."""
    for seed in draws:
        if "few" in parts:
            yield from (("few", FEW[name][0], name, seed) for name in few)
        if "harm" in parts:
            yield from (("harm", "trec", kind, seed) for kind in HARM)
        if "all" in parts:
            yield from (("all", name, way, seed) for name in sets for way in WAYS)
    if "speed" in parts:
        yield "speed", "trec", "rates", 1


def _few(rows: Pairs, test: Examples, name: str, how: Mapping[str, Any]) -> dict[str, Any]:
    labelled, texts = draw(rows, FEW[name][1], how["seed"])
    taught = _measured(labelled, test, {**how, "teacher": PACKAGED, "unlabelled": texts})
    alone = _measured(labelled, test, how)["accuracy"]
    head = _head([text for text, _ in labelled], [label for _, label in labelled])
    answers = head(_vectors(test.texts)).argmax(axis=1)
    names = sorted({label for _, label in labelled})
    right = [names[answer] == truth[0] for answer, truth in zip(answers.tolist(), test.labels, strict=True)]
    return {**taught, "alone": alone, "teacher": mean(right)}


def _harm(rows: Pairs, test: Examples, kind: str, how: Mapping[str, Any]) -> dict[str, Any]:
    labelled, texts = draw(rows, 20, how["seed"])
    shuffled = [label for _, label in labelled]
    random.Random(how["seed"]).shuffle(shuffled)
    head = _head([text for text, _ in labelled], shuffled)
    width, chance = len({*shuffled}), np.random.default_rng(how["seed"])

    def teacher(asked: Sequence[str]) -> Any:
        return chance.dirichlet([0.3] * width, len(asked)) if kind == "random" else head(_vectors(asked))

    taught = _measured(labelled, test, {**how, "teacher": teacher, "unlabelled": texts})
    return {**taught, "alone": _measured(labelled, test, how)["accuracy"]}


def _speed(rows: Pairs, test: Examples, _: str, how: Mapping[str, Any]) -> dict[str, Any]:
    predictor, texts, encoder = textcnn.train(rows, **how), list(test.texts), encoder_teacher(PACKAGED)
    pupil = predictor.lookup() or predictor
    return {"pupil": _rate(pupil.predict, texts), "teacher": _rate(encoder.measure, texts)}


def _rate(ask: Callable[[list[str]], Any], texts: list[str]) -> float:
    """Return the texts a second of the fastest of three passes, after a first one."""
    ask(texts)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        ask(texts)
        seconds.append(time.perf_counter() - began)
    return len(texts) / min(seconds)


def _all(rows: Pairs, test: Examples, way: str, how: Mapping[str, Any]) -> dict[str, Any]:
    return _measured(rows, test, {**how, **WAYS[way]})


def _measured(rows: Pairs, test: Examples, how: Mapping[str, Any]) -> dict[str, Any]:
    training = textcnn.train(rows, test=test, **how).artifact.training
    facts = {name: value for name, value in training.get("teacher", {}).items() if name != "differences"}
    return {"accuracy": training["test"]["accuracy"], "calibration_error": training["test"].get("ece"), "facts": facts}


def _vectors(texts: Sequence[str]) -> Floats:
    encoder = encoder_teacher(PACKAGED)
    return AnswerCache(encoder.key).answers(list(texts), encoder.measure, encoder.name, Silent())


def _head(texts: Sequence[str], labels: Sequence[str]) -> Head:
    """Return the teacher's head, fitted to these rows; its columns are the sorted labels."""
    names = Labels(tuple(sorted({*labels})))
    return encoder_teacher(PACKAGED).fit(_vectors(texts), [(label,) for label in labels], names)


MEASURES: Mapping[str, Callable[[Pairs, Examples, str, Mapping[str, Any]], dict[str, Any]]] = {
    "few": _few,
    "harm": _harm,
    "all": _all,
    "speed": _speed,
}


def to_markdown(document: dict[str, Any]) -> str:
    """Return the tables of the document."""
    runs = document["runs"]
    title = "Test accuracy, mean over the draws; the teacher is all-MiniLM-L6-v2 with a logistic regression."
    lines = ["# Learning from a teacher", "", f"`{document['command']}`", "", title, ""]
    lines += _table("labelled rows a class", "alone", "teacher", "pupil", "draws", "floor", "aim")
    for name, (source, _, floor, aim) in FEW.items():
        if found := _of(runs, f"few/{source}/{name}/"):
            scores = [f"{mean(run[what] for run in found):.1%}" for what in ("alone", "teacher", "accuracy")]
            lines.append(_row(name, *scores, len(found), f"{floor:.1%}", f"{aim:.1%}"))
    if _of(runs, "harm/"):
        lines += ["", *_table("harmful teacher, trec, 20 a class", "left out", "accuracy", "alone")]
        for kind in HARM:
            if found := _of(runs, f"harm/trec/{kind}/"):
                left = f"{sum(not run['facts']['used'] for run in found)} of {len(found)}"
                lines.append(
                    _row(kind, left, *(f"{mean(run[what] for run in found):.1%}" for what in ("accuracy", "alone")))
                )
    for speed in _of(runs, "speed/"):
        pupil, teacher = speed["pupil"], speed["teacher"]
        lines += ["", f"Texts a second: pupil {pupil:,.0f}, teacher {teacher:,.0f} ({pupil / teacher:,.0f} times)."]
    if _of(runs, "all/"):
        lines += ["", "All labels, accuracy, and points above scratch:", "", *_table("set", *WAYS)]
        for name in ALL:
            means = [_mean(_of(runs, f"all/{name}/{way}/")) for way in WAYS]
            gains = [
                "" if value is None or means[0] is None else f" ({100 * (value - means[0]):+.1f})" for value in means
            ]
            cells = ["" if value is None else f"{value:.1%}{gain}" for value, gain in zip(means, gains, strict=True)]
            lines.append(_row(name, *cells))
    return "\n".join(lines) + "\n"


def _of(runs: Mapping[str, Any], prefix: str) -> list[Any]:
    return [run for key, run in runs.items() if key.startswith(prefix)]


def _mean(runs: list[Any]) -> float | None:
    return mean(run["accuracy"] for run in runs) if runs else None


def _table(*names: str) -> list[str]:
    return [_row(*names), _row(*["---"] * len(names))]


def _row(*cells: Any) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def teacher(
    folder: Annotated[Path, typer.Argument(help="folder of data sets")],
    parts: Annotated[str, typer.Option(help=f"of {', '.join(PARTS)}")] = ",".join(PARTS),
    few: Annotated[str, typer.Option(help=f"of {', '.join(FEW)}")] = ",".join(FEW),
    sets: Annotated[str, typer.Option(help="sets with all labels")] = ",".join(ALL),
    draws: Annotated[str, typer.Option(help="seeds of the labelled rows and of training")] = "1,2,3",
    output: Output = None,
    table: Table = None,
) -> None:
    """What a teacher brings: few labelled rows, all labels, teachers that harm; speed.

    Example: python -m benchmarks.teacher FOLDER --parts few --output teacher.json
    """
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_teacher(
        folder,
        reporter(),
        parts=split_list("--parts", parts, str, "names") or (),
        few=split_list("--few", few, str, "names") or (),
        sets=split_list("--sets", sets, str, "names") or (),
        draws=split_numbers("--draws", draws) or (),
        output=output,
        arguments=words_of("teacher"),
    )
    show(to_markdown(document), table)


if __name__ == "__main__":
    main(teacher)
