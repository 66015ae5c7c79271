"""Training compared with fastText: tokens a second in one run, and seconds to the accuracy that fastText reaches."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.benchmark.baselines import interpreter, shuffled_rows
from textcnn.config import Config
from textcnn.errors import ConfigError, MissingExtraError
from textcnn.labels import Labels
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples
from textcnn.runs import Run, run_text
from textcnn.training.sampler import stratified_split

FASTTEXT: Mapping[str, Any] = {"dim": 10, "wordNgrams": 2, "epoch": 5, "lr": 0.25, "thread": 2, "seed": 0}
OURS: Mapping[str, Mapping[str, Any]] = {"default": {}, "fast": {"preset": "fast"}}
# Quickest first; dev rows choose among them.
RACERS: Sequence[Mapping[str, Any]] = (
    {"preset": "fast", "epochs": 1, "batch_size": 128},
    {"preset": "fast", "epochs": 1},
    {"preset": "fast", "epochs": 2},
    {"epochs": 2},
    {},
)
WARM_UP = 2_500  # rows of a training that is not timed, so that no other one compiles kernels
HELD_OUT = 0.1  # of the training rows, to choose
SCRIPT = Path(__file__).with_name("fasttext_files.py")
# fastText's process imports nothing of this package, so its words are those of a regular expression, in training as in
# classifying. Python's `re` knows no scripts: a Chinese clause is one word, unlike by the default tokenizer. The texts
# of these studies are in English.
WORDS = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


@dataclass(frozen=True)
class Ground:
    """What all contestants are given.

    Attributes:
        train: the training rows.
        test: the test rows.
        labels: of the training rows.
        folder: where files and models are.
        settings: of every training of ours, such as the threads.
    """

    train: Examples
    test: Examples
    labels: Labels
    folder: Path
    settings: Mapping[str, Any]


def cut_words(text: str) -> str:
    """Return the words of a text as fastText reads them: in lower case, separated by blanks."""
    return " ".join(WORDS.findall(text.lower()))


def fasttext_python() -> str | None:
    """The interpreter that has fastText; none if there is none.

    Raises:
        ConfigError: the one that is named has not.
    """
    try:
        return interpreter()
    except MissingExtraError:
        return None


def training_speed(ground: Ground, python: str | None, rounds: int, reporter: Reporter) -> dict[str, Any]:
    """Train all contestants on all training rows, one after the other, every second round in the opposite order.

    ``whole_tokens_per_second`` is of all epochs' tokens and the whole wall time: ours from texts to the finished model
    (tokenizing, features, loop), fastText's from its file of words. ``loop_tokens_per_second`` is of the epochs alone:
    for fastText, four fifths of the tokens over the time that five epochs take more than one.
    """
    _warm_up(ground, reporter)
    counted = sum(len(cut_words(text).split()) for text in ground.train.texts)
    order = ["fasttext", *OURS] if python else [*OURS]
    runs = []
    for number in range(rounds):
        for name in order if number % 2 == 0 else reversed(order):
            reporter.say(f"training, round {number + 1} of {rounds}: {name}")
            if python and name == "fasttext":
                runs.append({"contestant": name, **fasttext_speed(ground, python, counted)})
            else:
                _, run = train_ours(ground, OURS[name], reporter, name)
                runs.append({"contestant": name, **run})
    return {"words": counted, "runs": runs}


def _warm_up(ground: Ground, reporter: Reporter) -> None:
    rows = np.random.default_rng(0).permutation(len(ground.train))[:WARM_UP]
    run_text(ground.train.subset(rows), Config.from_flat({**ground.settings, "preset": "fast", "epochs": 1}), reporter)


def train_ours(
    ground: Ground, settings: Mapping[str, Any], reporter: Reporter, name: str | None = None
) -> tuple[Run, dict[str, Any]]:
    """Train one of ours and time it from the texts to the model; kept in the folder under its name."""
    config = Config.from_flat({**ground.settings, **settings})
    began = time.perf_counter()
    run = run_text(ground.train, config, reporter)
    seconds = time.perf_counter() - began
    tokens = run.summary["tokens_per_second"] * run.summary["train_seconds"]  # no dev rows: all of it is epochs
    found = {
        "settings": dict(settings),
        "epochs": run.summary["epochs"],
        "seconds": seconds,
        "loop_seconds": run.summary["train_seconds"],
        "loop_tokens_per_second": run.summary["tokens_per_second"],
        "whole_tokens_per_second": tokens / seconds,
        "road": run.summary["road"],
    }
    if name is not None:
        run.predictor.save(ground.folder / f"ours-{name}")
    return run, found


def fasttext_speed(ground: Ground, python: str, words: int) -> dict[str, Any]:
    """Seconds and tokens a second of fastText."""
    epochs = FASTTEXT["epoch"]
    lines = fasttext_lines(ground.folder / "train.fasttext", ground.train, ground.labels)
    one = train_fasttext(python, lines, ground.folder / "one-epoch.bin", {"epoch": 1})
    all_of_them = train_fasttext(python, lines, ground.folder / "fasttext.bin", {})
    return {
        "settings": dict(FASTTEXT),
        "epochs": epochs,
        "seconds": all_of_them,
        "loop_tokens_per_second": (epochs - 1) * words / max(all_of_them - one, 1e-9),
        "whole_tokens_per_second": epochs * words / all_of_them,
    }


def race(ground: Ground, python: str, reporter: Reporter) -> dict[str, Any]:
    """Seconds to fastText's accuracy: the first of :data:`RACERS` that reaches it on dev rows, then on test."""
    _warm_up(ground, reporter)
    kept, held = (part.tolist() for part in stratified_split(list(ground.train.labels), HELD_OUT, seed=0))
    dev_ground = Ground(
        ground.train.subset(kept), ground.train.subset(held), ground.labels, ground.folder, ground.settings
    )
    goal = fasttext_race(dev_ground, python, "dev")
    tried = []
    for settings in RACERS:
        run, found = train_ours(dev_ground, settings, reporter)
        tried.append({**found, "dev_accuracy": accuracy(run, dev_ground.test)})
        reporter.say(f"on dev rows, {dict(settings)}: {tried[-1]['dev_accuracy']:.4f}, goal {goal['accuracy']:.4f}")
        if tried[-1]["dev_accuracy"] >= goal["accuracy"]:
            break
    chosen = max(tried, key=lambda entry: entry["dev_accuracy"])
    before = fasttext_race(ground, python, "race")
    run, found = train_ours(ground, chosen["settings"], reporter)
    return {
        "fasttext_dev": goal,
        "tried": tried,
        "fasttext": before,
        "ours": {**found, "accuracy": accuracy(run, ground.test)},
    }


def fasttext_race(ground: Ground, python: str, name: str) -> dict[str, Any]:
    """Seconds of training and accuracy on the other rows."""
    lines = fasttext_lines(ground.folder / f"{name}.fasttext", ground.train, ground.labels)
    model, words, rows = (ground.folder / f"{name}.{kind}" for kind in ("bin", "words", "rows"))
    seconds = train_fasttext(python, lines, model, {})
    words.write_text("".join(cut_words(text) + "\n" for text in ground.test.texts), encoding="utf-8")
    call([python, str(SCRIPT), "classify", str(model), str(words), str(rows)])
    with rows.open(encoding="utf-8") as file:
        answers = [ground.labels.names[int(json.loads(line)["label"])] for line in file]
    right = sum((answer,) == truth for answer, truth in zip(answers, ground.test.labels, strict=True))
    return {"seconds": seconds, "accuracy": right / len(answers)}


def accuracy(run: Run, examples: Examples) -> float:
    """Share of the examples that the model labels as they are."""
    answers = run.predictor.predict(examples.texts)
    right = sum((answer,) == truth for answer, truth in zip(answers, examples.labels, strict=True))
    return right / len(examples)


def fasttext_lines(path: Path, examples: Examples, labels: Labels) -> Path:
    """Write training rows as fastText reads them, labels by their number, in mixed order."""
    ids = {name: number for number, name in enumerate(labels.names)}
    with path.open("w", encoding="utf-8") as file:
        for row in shuffled_rows(len(examples)):
            (label,) = examples.labels[row]
            file.write(f"__label__{ids[label]} {cut_words(examples.texts[row])}\n")
    return path


def train_fasttext(python: str, lines: Path, model: Path, settings: Mapping[str, Any]) -> float:
    """Seconds of training, from the file of words to the model in memory."""
    given = json.dumps({**FASTTEXT, **settings})
    return float(json.loads(call([python, str(SCRIPT), "train", str(lines), str(model), given]))["seconds"])


def call(command: Sequence[str]) -> str:
    """What a peer's process prints.

    Raises:
        ConfigError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{Path(command[1]).name} failed with exit {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout
