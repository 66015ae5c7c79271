"""`textcnn classify --engine ray`: a folder of files to a folder of answers."""

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
    """Whether the options of ``classify`` go together.

    Args:
        engine: the engine asked for, if any.
        address: of a cluster.
        output_format: of the files of answers.
        refused: options that an engine does not have, and whether they were given.

    Raises:
        ConfigError: they do not.
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
        Counts of the rows classified now, and what is worth a note.

    Raises:
        ConfigError: an option that does not fit.
        DataError: files that could not be read; all others are done.
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
    like = schema_of(read_config(model))  # a wrong model is found before Ray starts
    # parts of one Parquet file may differ in the types of columns that hold nothing, so only lines are cut
    inputs, units, left_out = find_units(open_place(str(input)), data.format, cut=ending == "jsonl")
    answers = open_place(output)
    if inputs.holds(answers):
        raise ConfigError(f"--output {output!r} lies in the folder that is read; choose another")
    job = Job(inputs, answers, model.absolute(), fingerprint(model), data, ending, precision, top_k, threshold, like)
    signals.interrupt_at_sigterm()  # so that a cluster of our own ends with us
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
