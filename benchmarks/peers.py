"""This package compared with fastText and a linear SVM: training, a file, one sentence, the roofline."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command import main, words_of
from benchmarks.lookup import cold_start, kernels_here, one_text
from benchmarks.peers_files import classify_files, model_folder
from benchmarks.peers_training import FASTTEXT, RACERS, Ground, fasttext_python, race, training_speed
from benchmarks.roofline import lookup_share, machine_rates, training_share
from textcnn.atomic import write_text
from textcnn.benchmark.document import FinishedRuns, command_line, data_name, describe_machine
from textcnn.config import DataConfig
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.progress import Reporter
from textcnn.reading.rows import read_examples
from textcnn.runtime.lookup import PRECISIONS
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs

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


def peers(
    train: Annotated[str, typer.Argument(metavar="TRAIN", help="labelled training texts, one label each")],
    test: Annotated[str, typer.Argument(metavar="TEST", help="labelled texts that are only measured")],
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="models and files of these training texts; kept for a second start")
    ] = Path("build/peers"),
    rounds: Annotated[int, typer.Option(min=1, help="trainings of each contestant")] = 1,
    passes: Annotated[int, typer.Option(min=1, help="timed passes over the file of texts")] = 2,
    set: options.Set = None,
    output: Annotated[
        Path | None, typer.Option(help="write the JSON document here; a stopped start is continued")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
) -> None:
    """Training, time to an accuracy, files and roofline, compared with fastText and a linear SVM in one run.

    TEXTCNN_PEERS_PYTHON names an interpreter that has fastText, if this one has not.

    Example: python -m benchmarks.peers train.csv test.csv --output peers.json --table peers.md
    """
    from benchmarks.peers_table import to_markdown
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_peers(
        train,
        test,
        reporter(),
        folder=folder,
        rounds=rounds,
        passes=passes,
        settings=options.merge_settings(None, set, {}),
        output=output,
        arguments=words_of("peers"),
    )
    report = to_markdown(document)
    if table is not None:
        write_text(table, report)
    print(report, end="")


if __name__ == "__main__":
    main(peers)
