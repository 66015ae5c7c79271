"""The parts of the benchmark of classifying: files against fastText, single sentences, starts, reasons, memory."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from benchmarks.editions import FIRST_COMMIT, Edition, run
from benchmarks.fasttext_runs import SETTINGS, Fasttext
from benchmarks.peers_files import write_texts
from benchmarks.process_memory import watched_run
from benchmarks.train_parts import Plan
from benchmarks.train_result import Part, Row, spread
from textcnn.errors import ConfigError
from textcnn.reading.rows import read_examples

SENTENCE = "the story is slow but the two leads are so good that nobody will look at the clock once again"
PREDICT = """
import json, sys, time, textcnn
model, sentence = textcnn.load(sys.argv[1]), sys.argv[2]
model.predict([sentence] * int(sys.argv[3]))  # the first edition loads its compiled code for many texts alone
for _ in range(50): model.predict([sentence])
taken = []
for _ in range(7):
    began = time.perf_counter()
    for _ in range(300): model.predict([sentence])
    taken.append((time.perf_counter() - began) / 300)
print(json.dumps(sorted(taken)[3]))
"""
# Of the first edition on the machine for which the bounds in seconds were written.
FIRST_SECONDS = {"classify MODEL 'a sentence'": 0.40, "--help": 0.34}
FIRST_MICROSECONDS = {"compiled": 103, "numpy": 534}  # of one sentence
MANY = 300  # texts, for which the first edition loads compiled code
SHORT_ROWS = 1_000_000
GIGABYTE = 1e9


def classified(edition: Edition, model: Path, data: Path, answers: Path, *options: str) -> float:
    """Seconds of a whole `textcnn classify` from file to file."""
    began = time.perf_counter()
    command: list[str | Path] = [
        edition.python,
        "-m",
        "textcnn_cli",
        "classify",
        model,
        "--input",
        data,
        "--output",
        answers,
        *options,
    ]
    run(command, edition.environment, answers.parent)
    return time.perf_counter() - began


def _race(plan: Plan, name: str, data: Path, ours: Mapping[str, Callable[[], float]], peer_data: Path) -> Part:
    """Whole processes of ours and of fastText in turn; a first run of each is not counted."""
    peer = Fasttext(plan.rows(name), plan.folder)
    peer.train()
    theirs = partial(peer.classify, peer_data, plan.folder / "fasttext.jsonl")
    contestants: dict[str, Callable[[], float]] = {**ours, "fasttext": theirs}
    for one in contestants.values():
        one()
    found = plan.repeat(contestants)
    middle = {who: float(np.median(seconds)) for who, seconds in found.items()}
    bounds = {"float32": (1.3, 2.0), "int8": (1.5, 2.5), "parquet": (1.5, 2.5), "short": (1.0, 1.5)}
    rows = [
        Row(
            f"{who}, {data.name}: fastText's time / ours",
            middle["fasttext"] / middle[who],
            *bounds[who],
            note=f"{middle['fasttext']:.2f} s / {middle[who]:.2f} s",
        )
        for who in ours
    ]
    return Part(rows, {who: spread(seconds) for who, seconds in found.items()} | {"fasttext_settings": dict(SETTINGS)})


def _trained(plan: Plan, name: str) -> Path:
    """A model of the default settings."""
    plan.train(name)
    return plan.folder / "model"


def csv_file(plan: Plan) -> Part:
    """CSV to JSON lines, in both precisions; fastText reads the same file and splits words by the same pattern."""
    (name,) = plan.sets("imdb")
    model, data, answers = _trained(plan, name), plan.rows(name, "test"), plan.folder / "answers.jsonl"
    ours = {
        precision: partial(classified, plan.ours, model, data, answers, "--precision", precision)
        for precision in ("float32", "int8")
    }
    return _race(plan, name, data, ours, data)


def parquet_file(plan: Plan) -> Part:
    """Parquet to Parquet; fastText, which has no reader of it, reads the same rows as CSV and writes JSON lines."""
    from pyarrow import Table, parquet

    (name,) = plan.sets("imdb")
    model, rows = _trained(plan, name), plan.folder / "rows.parquet"
    with gzip.open(plan.rows(name, "test"), "rt", encoding="utf-8", newline="") as file:
        parquet.write_table(Table.from_pylist(list(csv.DictReader(file))), rows)
    ours = {"parquet": partial(classified, plan.ours, model, rows, plan.folder / "answers.parquet")}
    return _race(plan, name, rows, ours, plan.rows(name, "test"))


def short_rows(plan: Plan) -> Part:
    """Many rows of a question each: what a row costs apart from its words."""
    model, rows = _trained(plan, "trec"), plan.folder / "questions.csv"
    questions = list(read_examples(plan.rows("trec")).texts)
    with rows.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "text"])
        count = SHORT_ROWS // 100 if plan.quick else SHORT_ROWS
        writer.writerows((n, f"{text} {n}") for n, text in enumerate(islice(cycle(questions), count)))
    ours = {"short": partial(classified, plan.ours, model, rows, plan.folder / "answers.jsonl")}
    return _race(plan, "trec", rows, ours, rows)


def one_sentence(plan: Plan) -> Part:
    """`predict` of one sentence of 20 words again and again, with the compiled core and without.

    The bounds are those of the machine on which the first edition took :data:`FIRST_SECONDS`; on another one its share
    of the time that the first edition takes there says more.
    """
    (name,) = plan.sets("imdb")
    first, ours = editions = (plan.first(), plan.ours)
    old, new = _models(plan, name, editions)
    found = plan.repeat(
        {
            "compiled": partial(_predict, ours, new, MANY),
            "numpy": partial(_predict, ours.with_environment(TEXTCNN_CORE="none"), new, MANY),
            f"compiled, {first.name}": partial(_predict, first, old, MANY),
            f"numpy, {first.name}": partial(_predict, first, old, 0),
        }
    )
    middle = {who: 1e6 * float(np.median(taken)) for who, taken in found.items()}
    bounds = {"compiled": (25, 12), "numpy": (400, 250)}
    rows = [Row(f"one sentence, {how}: microseconds", middle[how], *bounds[how], less=True) for how in bounds]
    for how, before in FIRST_MICROSECONDS.items():
        there = middle[f"{how}, {first.name}"]
        note = f"{there:.1f} microseconds there"
        rows.append(_share(f"one sentence, {how}", middle[how] / there, bounds[how], before, note))
    return Part(rows, {who: spread(seconds) for who, seconds in found.items()})


def _models(plan: Plan, name: str, editions: Sequence[Edition]) -> list[Path]:
    """A model of the default settings from each edition, trained for the first part that needs it."""
    places = [plan.folder / f"{name}-{edition.name}" for edition in editions]
    for edition, place in zip(editions, places, strict=True):
        if not place.exists():
            plan.train(name, edition=edition)
            (plan.folder / "model").rename(place)
    return places


def _share(what: str, share: float, bounds: tuple[float, float], first: float, note: str) -> Row:
    """The time as a share of the first edition's; its bounds are what ``bounds`` were of ``first``."""
    floor, aim = (bound / first for bound in bounds)
    return Row(f"{what}: share of the time of {FIRST_COMMIT}", share, floor, aim, less=True, note=note)


def _predict(edition: Edition, model: Path, warming: int) -> float:
    command: list[str | Path] = [edition.python, "-c", PREDICT, model, SENTENCE, str(warming)]
    return float(json.loads(run(command, edition.environment, model.parent)))


def starts(plan: Plan) -> Part:
    """Whole processes that do next to nothing, of this checkout and of the first edition in turn."""
    editions = (plan.first(), plan.ours)
    models = _models(plan, "trec", editions)
    commands: dict[str, list[list[str | Path]]] = {
        "classify MODEL 'a sentence'": [["classify", model, SENTENCE] for model in models],
        "--help": [["--help"]] * len(models),
    }
    bounds = {"classify MODEL 'a sentence'": (0.32, 0.25), "--help": (0.25, 0.15)}

    def seconds(edition: Edition, arguments: Sequence[str | Path]) -> float:
        began = time.perf_counter()
        run([edition.python, "-m", "textcnn_cli", *arguments], edition.environment, plan.folder)
        return time.perf_counter() - began

    rows, measured = [], {}
    for what, words in commands.items():
        both = zip(editions, words, strict=True)
        found = plan.repeat({one.name: partial(_middle, partial(seconds, one, given)) for one, given in both})
        before, now = (float(np.median(found[one.name])) for one in editions)
        rows.append(Row(f"textcnn {what}: s", now, *bounds[what], less=True))
        rows.append(_share(f"textcnn {what}", now / before, bounds[what], FIRST_SECONDS[what], f"{before:.2f} s there"))
        measured[what] = {who: spread(taken) for who, taken in found.items()}
    return Part(rows, measured)


def server(plan: Plan) -> Part:
    """Single questions a second of a server with one worker, this checkout's and the first edition's in turn."""
    editions = (plan.first(), plan.ours)
    models = _models(plan, "trec", editions)

    def rate(edition: Edition, model: Path) -> float:
        program = ["benchmarks.serve"] if edition is plan.ours else ["textcnn_cli", "benchmark", "serve"]
        words: list[str | Path] = [edition.python, "-m", *program, model, plan.rows("trec", "test")]
        words += ["--workers", "1", "--seconds", "2" if plan.quick else "10", "--json"]
        (found,) = json.loads(run(words, edition.environment, plan.folder))["runs"]
        if found["errors"]:
            raise ConfigError(f"expected answers of the server of {edition.name}, found {found['problems']}")
        return float(found["requests_per_second"])

    both = zip(editions, models, strict=True)
    found = plan.repeat({edition.name: partial(rate, edition, model) for edition, model in both})
    before, now = (float(np.median(found[edition.name])) for edition in editions)
    note = f"{now:,.0f} / {before:,.0f} requests a second"
    what = f"serve, single questions, one worker: requests a second / those of {FIRST_COMMIT}"
    return Part([Row(what, now / before, 1.2, 2, note=note)], {who: spread(rates) for who, rates in found.items()})


def _middle(timed: Callable[[], float]) -> float:
    return float(np.median([timed() for _ in range(7)]))


def reasons(plan: Plan) -> Part:
    """`classify --explain` against `classify`, from file to file."""
    (name,) = plan.sets("imdb")
    model, data, answers = _trained(plan, name), plan.rows(name, "test"), plan.folder / "answers.jsonl"
    contestants = {
        "classify": partial(classified, plan.ours, model, data, answers),
        "explain": partial(classified, plan.ours, model, data, answers, "--explain"),
    }
    for one in contestants.values():
        one()
    found = plan.repeat(contestants)
    plain, explained = (float(np.median(found[who])) for who in contestants)
    row = Row(
        f"classify / classify --explain, {name}: time",
        plain / explained,
        0.4,
        0.7,
        note=f"{plain:.2f} / {explained:.2f} s",
    )
    return Part([row], {who: spread(seconds) for who, seconds in found.items()})


def big_file(plan: Plan) -> Part:
    """Peak anonymous memory of a file of 1 GB: the test texts again and again."""
    (name,) = plan.sets("imdb")
    model, rows, answers = _trained(plan, name), plan.folder / "big.csv", plan.folder / "big.jsonl"
    size = GIGABYTE / 100 if plan.quick else GIGABYTE
    texts = read_examples(plan.rows(name, "test")).texts
    try:
        write_texts(rows, cycle(texts), most_bytes=int(size))
        command = [sys.executable, "-m", "textcnn_cli", "classify", str(model), "--input", str(rows)]
        found = watched_run([*command, "--output", str(answers)], plan.ours.environment)
    finally:
        for path in (rows, answers):
            path.unlink(missing_ok=True)
    row = Row(f"peak memory on {size / 1e6:g} MB: MB", found["peak_mb"], 350, 250, less=True)
    return Part([row], found)


PARTS: Mapping[str, tuple[str, Callable[[Plan], Part]]] = {
    "a": ("CSV to JSON lines against fastText", csv_file),
    "b": ("Parquet to Parquet against fastText", parquet_file),
    "c": ("many short rows against fastText", short_rows),
    "d": ("one sentence", one_sentence),
    "e": ("starting", starts),
    "f": ("reasons", reasons),
    "g": ("memory of a big file", big_file),
    "h": ("single questions to a server", server),
}
