"""Implements `textcnn classify`, which writes one answer for each row, in order."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textcnn.errors import ConfigError
from textcnn_cli import console, options
from textcnn_cli.engine import check_options, classify_folder
from textcnn_cli.progress import RowsProgress

Answers = Iterable[dict[str, Any]]

if TYPE_CHECKING:
    from textcnn.evaluation.promises import Promise
    from textcnn.explain.explainer import Explainer
    from textcnn.prediction.predictor import Predictor
    from textcnn.prediction.strangers import FlaggingStrangers
    from textcnn.prediction.streaming import Part
    from textcnn.reading.rows import Rows

Command = options.OptionalValue
EXPLAINED = 10  # n-grams and words listed for each row


def classify(
    model: options.Model,
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="texts to classify")] = None,
    input: Annotated[
        str | None, typer.Option("--input", "-i", help="file of texts; - reads one text per line from stdin")
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            help="output file: .jsonl, .csv, .tsv (also .gz, .bz2, .xz) or .parquet; - writes JSON lines to stdout",
        ),
    ] = "-",
    text_column: options.TextColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="number of labels to list per row")] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", min=0, max=1, help="probability from which labels are assigned (multi-label)"),
    ] = None,
    coverage: options.Coverage = None,
    coverage_by: options.CoverageBy = None,
    min_probability: options.MinProbability = None,
    min_accuracy: options.MinAccuracy = None,
    none_of_these: options.NoneOfThese = None,
    evidence: Annotated[
        bool,
        typer.Option("--evidence", help="cite training rows with the deciding n-grams; flag texts without evidence"),
    ] = False,
    abstain_label: Annotated[
        str | None,
        typer.Option(
            "--abstain-label", metavar="NAME", help="label of texts of none of the labels, or without evidence"
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option("--precision", help="float32, or int8: integer logits, and certificates of float32's labels"),
    ] = "float32",
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="[all]",
            help=f"add the {EXPLAINED} strongest n-grams and words for the predicted label, or for all labels",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=1,
            help="number of worker processes; the row cache is divided among them",
        ),
    ] = 1,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine", metavar="ray", help="classify a folder of files on a Ray cluster; --output is a folder"
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="Ray cluster address; default: start a local cluster")
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option("--output-format", help="format of the output files with --engine: jsonl, parquet, csv or tsv"),
    ] = None,
) -> None:
    """Classify texts; each input row gives one output row, which keeps the other columns of the input.

    Example: textcnn classify model "what a film" --top-k 2
    """
    if bool(texts) == (input is not None):
        raise ConfigError("classify expects texts or --input, and not both; e.g. textcnn classify MODEL 'a text'")
    from textcnn.folder.config_json import read_config

    if input is not None and os.path.isfile(output) and os.path.exists(input) and os.path.samefile(input, output):
        raise ConfigError(f"--output is the file that is read, {output!r}; choose another")
    refused = {"texts": bool(texts), "--evidence": evidence, "--abstain-label": abstain_label is not None}
    refused |= {"--explain": explain is not None, "--workers": workers > 1}
    promises = (coverage, coverage_by, min_probability, min_accuracy)
    names = ("--coverage", "--coverage-by", "--min-probability", "--min-accuracy")
    refused |= {name: option is not None for name, option in zip(names, promises, strict=True)}
    refused["--none-of-these"] = none_of_these is not None
    check_options(engine, address=address, output_format=output_format, refused=refused)
    data = options.data_config(text_column, None, format, encoding, quotes=quotes, escape=escape)
    if engine is not None:
        how: dict[str, Any] = {"address": address, "output_format": output_format, "precision": precision}
        counts, notes = classify_folder(model, input, output, data, top_k=top_k, threshold=threshold, **how)
        _tell(counts, notes, read_config(model).get("max_length"))
        return
    from textcnn.core.memory import use_one_arena
    from textcnn.core.threads import num_threads
    from textcnn.evaluation.promises import chooses_nodes
    from textcnn.labels import Labels
    from textcnn.prediction.answers import AnswerForm
    from textcnn.prediction.streaming import answer_stream, are_blocks, write_parts
    from textcnn.prediction.writing import is_json_lines
    from textcnn.reading.rows import open_rows
    from textcnn.reading.schema import schema_of
    from textcnn.runtime.cache import CACHE_BYTES

    if input is not None:
        use_one_arena()
    has_evidence = evidence or (abstain_label is not None and none_of_these is None)
    config = read_config(model)
    is_promised = any(option is not None for option in promises)
    promise = options.promised(model, Labels.of(config), *promises) if is_promised else None
    if has_evidence and chooses_nodes(Labels.of(config), promise):
        raise ConfigError(
            "evidence is of labels, and by --min-probability or --min-accuracy this model may answer an inner node of "
            "its tree; leave out --evidence and --abstain-label, or these"
        )
    finish = _with_evidence(model, abstain_label) if has_evidence else None
    as_lines = is_json_lines(output) and finish is None
    rows = open_rows(list(texts) if texts else input, data, labels="ignored", like=schema_of(config))
    threads, cache_bytes = max(num_threads() // workers, 1), CACHE_BYTES // workers  # divided among the workers
    in_blocks = workers == 1 and are_blocks(rows, as_lines=as_lines)  # then each block is classified by one thread
    resources: dict[str, Any] = {"threads": 1 if in_blocks else threads, "cache_bytes": cache_bytes, "saved": config}
    load = partial(load_predictor, model, threshold, precision, explain, none_of_these, promise, **resources)
    predictor = load() if workers == 1 else None  # each worker loads its own
    if predictor is not None:
        console.detail(f"runtime: {predictor.runtime.describe()}")
    if input is not None:
        console.say(rows.describe())
    if top_k is not None:
        Labels.of(config).require_labels("--top-k")
    form = AnswerForm(rows.text_columns, top_k, threshold, promise, abstain_label)
    if predictor is not None:
        threads = threads if predictor.runtime.name == "look-up" else 1  # torch uses several threads itself
        parts = answer_stream(rows, predictor, form, as_lines=as_lines, threads=threads, ready=rows.ready)
    else:
        from textcnn.prediction.workers import answer_in_processes

        parts = answer_in_processes(rows, load, form, as_lines=as_lines, workers=workers, ready=rows.ready)
    counts = Counter()
    parts = _watched(parts, counts, rows)
    with closing(parts):  # ends the worker processes even if writing fails
        write_parts(parts, output, finish)
    _tell(counts, rows.warnings(), config.get("max_length"))


def _with_evidence(model: Path, abstain_label: str | None) -> Callable[[Answers], Answers]:
    from textcnn.explain.evidence import load_evidence, with_evidence

    return partial(with_evidence, *load_evidence(model), abstain=abstain_label)


def load_predictor(
    model: Path,
    threshold: float | None,
    precision: str,
    explain: str | None,
    none_of_these: float | None,
    promise: Promise | None = None,
    **how: Any,
) -> Predictor | Explainer | FlaggingStrangers:
    """Load the predictor of a folder and check that it supports the options; worker processes call this too."""
    from textcnn.prediction.predictor import Predictor

    console.say_what_is_logged()
    predictor = Predictor.load(model, precision=precision, **how)
    predictor.text_inputs()
    predictor.thresholds(threshold)
    answerer: Predictor | Explainer = predictor
    if explain is not None:
        from textcnn.explain.explainer import Explainer

        answerer = Explainer(predictor, labels=explain, top=EXPLAINED, promise=promise)
    if none_of_these is None:
        return answerer
    from textcnn.prediction.strangers import FlaggingStrangers

    return FlaggingStrangers(answerer, predictor, none_of_these)


def _watched(parts: Generator[Part, None, None], counts: Counter[str], rows: Rows) -> Generator[Part, None, None]:
    """Yield the parts unchanged, while counting their rows and showing the progress."""
    progress = RowsProgress()
    try:
        with closing(parts):
            for part in parts:
                counts.update(part.counts)
                progress.update(counts["rows"], rows.fraction_read())
                yield part
    finally:
        progress.stop()


def _tell(counts: Counter[str], notes: Iterable[str], max_length: int | None) -> None:
    for note in notes:
        console.say(f"note: {note}")
    console.say(_summary(counts, max_length))


def _summary(counts: Counter[str], max_length: int | None) -> str:
    parts = [f"classified {counts['rows']:,} rows"]
    if counts["empty"]:
        parts.append(f"{counts['empty']:,} without a token")
    if counts["cut"]:
        parts.append(f"{counts['cut']:,} cut after {max_length} tokens")
    if counts["unknown"]:
        parts.append(f"{counts['unknown'] / counts['tokens']:.1%} of the words unknown")
    return ", ".join(parts)
