"""Ours beside fastText and a linear SVM: training, time to an accuracy, a file, one sentence, the roofline."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textcnn.benchmark.document import data_name
from textcnn.benchmark.lookup import cold_start, kernels_here, one_text
from textcnn.benchmark.machine import command_line, describe_machine
from textcnn.benchmark.peers_files import classify_files, model_folder
from textcnn.benchmark.peers_training import FASTTEXT, RACERS, Ground, fasttext_python, race, training_speed
from textcnn.benchmark.resumable import FinishedRuns
from textcnn.benchmark.roofline import lookup_share, machine_rates, training_share
from textcnn.config import DataConfig
from textcnn.errors import ConfigError
from textcnn.inference.lookup import PRECISIONS
from textcnn.labels import Labels
from textcnn.text.reading import read_examples
from textcnn.training.progress import Reporter

KIND = "peers"
SENTENCE = 20  # words of a sentence: the first ones of a test text
SENTENCES = 200


def run_peers(
    train: str,
    test: str,
    reporter: Reporter,
    *,
    folder: Path,
    reading: DataConfig | None = None,
    rounds: int = 1,
    passes: int = 2,
    settings: Mapping[str, Any] | None = None,
    output: Path | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure every part; one that is finished is not measured again.

    Without fastText its parts are left out, and the document says so.

    Args:
        train: labelled training texts, one label each.
        test: likewise, only measured.
        reporter: is told of progress.
        folder: for models and files; a folder of other training rows must not be given.
        reading: how the texts are read.
        rounds: trainings of each contestant.
        passes: timed passes over the file of texts.
        settings: of every training of ours.
        output: the document to be.
        arguments: of the command line, for the document.

    Raises:
        ConfigError: the texts may have several labels, or the interpreter that is to have fastText has not.
        DataError: the data cannot be read, or finished parts are of other settings.
    """
    reading = reading or DataConfig()
    rows, test_rows = read_examples(train, reading), read_examples(test, reading)
    if rows.multi_label:
        raise ConfigError(f"expected texts of one label each, got {rows.name!r} with several; the peers take one")
    folder.mkdir(parents=True, exist_ok=True)
    labels = Labels.collect(rows.labels, multi_label=False)
    ground = Ground(rows, test_rows, labels, folder, dict(settings or {}))
    python = fasttext_python()
    decided = {
        "rows": [len(rows), len(test_rows)],
        "rounds": rounds,
        "passes": passes,
        "settings": dict(settings or {}),
        "fasttext": None if python is None else dict(FASTTEXT),
        "racers": [dict(racer) for racer in RACERS],
    }
    finished = FinishedRuns(output, decided)
    if python is None:
        reporter.say("note: fasttext is left out, it is not installed; name an interpreter: TEXTCNN_PEERS_PYTHON=PATH")
    machine = finished.run("machine", describe_machine)
    rates = finished.run("rates", machine_rates)
    document = {
        "benchmark": KIND,
        "command": command_line(arguments),
        "machine": machine,
        "data": [data_name(rows.name), data_name(test_rows.name)],
        **decided,
        "training": finished.run("training", training_speed, ground, python, rounds, reporter),
        "race": finished.run("race", race, ground, python, reporter) if python else None,
        "files": finished.run("files", classify_files, ground, python, passes, reporter),
        "one_sentence": finished.run("one sentence", one_sentence, ground, reporter),
        "rates": rates,
        "training_share": finished.run("training share", training_share, ground, rates, reporter),
        "lookup_share": finished.run("look-up share", _lookup_share, ground, rates, reporter),
    }
    finished.write(document)
    return document


def one_sentence(ground: Ground, reporter: Reporter) -> dict[str, Any]:
    """Medians of one sentence in process, and the cold start of the command line."""
    folder = model_folder(ground, reporter)
    sentences = [" ".join(text.split()[:SENTENCE]) for text in ground.test.texts[:SENTENCES]]
    reporter.say("one sentence in process, and cold start")
    return {
        "words": SENTENCE,
        "medians": [one_text(folder, sentences, *how) for how in itertools.product(kernels_here(), PRECISIONS)],
        "cold_start_seconds": cold_start(folder),
    }


def _lookup_share(ground: Ground, rates: dict[str, float], reporter: Reporter) -> list[dict[str, Any]]:
    return lookup_share(ground, model_folder(ground, reporter), rates)
