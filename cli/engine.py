"""Implements `textcnn classify --engine ray`, which classifies a folder of files into a folder of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textcnn.config import DataConfig
from textcnn.errors import ConfigError, DataError
from textcnn_cli import console, signals
from textcnn_cli.progress import RowsProgress

ENGINES = ("ray",)


def check_options(
    engine: str | None, *, address: str | None, output_format: str | None, refused: Mapping[str, bool]
) -> None:
    """Check that the options of ``classify`` do not contradict each other.

    Args:
        engine: the engine, if any.
        address: the address of a cluster.
        output_format: the format of the output files.
        refused: for each option that engines do not support, whether it was given.

    Raises:
        ConfigError: options contradict each other.
    """
    if engine is None:
        given = [name for name, value in (("--address", address), ("--output-format", output_format)) if value]
        if given:
            raise ConfigError(f"{' and '.join(given)} need --engine ray")
        return
    if engine not in ENGINES:
        raise ConfigError(f"--engine must be {' or '.join(ENGINES)}, got {engine!r}")
    if given := [name for name, value in refused.items() if value]:
        raise ConfigError(f"--engine ray cannot be used with {', '.join(given)}; leave that out, or the engine")


def classify_folder(
    model: Path,
    input: str | None,
    output: str,
    data: DataConfig,
    *,
    address: str | None,
    output_format: str | None,
    precision: str,
    top_k: int | None,
    threshold: float | None,
) -> tuple[Counter[str], list[str]]:
    """Classify every file of ``input`` on Ray into ``output``.

    Returns:
        The counts of the rows classified by this start, and notes for the user.

    Raises:
        ConfigError: an option is invalid.
        DataError: some files could not be read; all others have been classified.
    """
    from textcnn.cluster.filesystem import open_place
    from textcnn.cluster.job import ENDINGS, Job
    from textcnn.cluster.ray import classify_units
    from textcnn.cluster.state import total
    from textcnn.cluster.units import find_units
    from textcnn.folder.config_json import read_config
    from textcnn.folder.model_folder import fingerprint
    from textcnn.reading.schema import schema_of

    ending = output_format or "jsonl"
    if ending not in ENDINGS:
        raise ConfigError(f"--output-format must be one of {', '.join(ENDINGS)}, got {ending!r}")
    if input in (None, "-") or output == "-":
        raise ConfigError("--engine ray reads a file or folder and writes a folder; give it --input and --output")
    if data.format == "folder":
        raise ConfigError("--engine ray reads files of rows; --format folder, one file a text, it does not have")
    like = schema_of(read_config(model))  # reports a wrong model before Ray starts
    # In Parquet, parts of one file could differ in the type of a column without values, so only JSON lines are split.
    inputs, units, left_out = find_units(open_place(str(input)), data.format, cut=ending == "jsonl")
    answers = open_place(output)
    if inputs.holds(answers):
        raise ConfigError(f"--output {output!r} lies in the folder that is read; choose another")
    job = Job(inputs, answers, model.absolute(), fingerprint(model), data, ending, precision, top_k, threshold, like)
    signals.interrupt_at_sigterm()  # so that a local cluster is stopped as well
    progress, rows, read, size = RowsProgress(), 0, 0.0, max(sum(unit.size / unit.parts for unit in units), 1)

    def tell(done: Any) -> None:
        nonlocal rows, read
        rows += done.counts.get("rows", 0)
        read += done.unit["size"] / done.unit["parts"]
        progress.update(rows, read / size)
        if done.problem is not None:
            console.say(f"left out: {done.problem}")

    try:
        outcome = classify_units(job, units, address=address, tell=tell)
    finally:
        progress.stop()
    counts, notices = total(outcome.now)
    if failed := [done.problem for done in outcome.now if done.problem is not None]:
        raise DataError(
            f"{len(failed):,} of {len(units):,} units could not be classified: {failed[0]}; "
            f"all others are done, and the same command takes up what is missing"
        )
    return counts, _notes(notices, len(outcome.before), left_out)


def _notes(notices: Counter[str], before: int, left_out: int) -> list[str]:
    from textcnn.reading.messages import counted, sentences

    notes = sentences(notices)
    if before:
        notes.append(f"{counted(before, 'unit')} had been classified before")
    if left_out:
        notes.append(f"{counted(left_out, 'file')} with endings that tell no format were not read")
    return notes
