"""Implements `textcnn filter`, which keeps the documents of a corpus that a model selects."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from textcnn.errors import ConfigError
from textcnn_cli import console, options, signals
from textcnn_cli.engine import ENGINES
from textcnn_cli.progress import RowsProgress


def filter(
    model: options.Model,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help="files of JSON lines (also .gz, .zst) or Parquet, folders, or patterns"),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="folder for the kept documents; a start that was stopped is continued")
    ],
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="LABEL", help="label, or number, that selects the documents")
    ] = None,
    min_probability: Annotated[
        float | None, typer.Option("--min-probability", metavar="P", help="least probability of a kept document")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", metavar="X", help="least number of a kept document (regression)")
    ] = None,
    keep_share: Annotated[
        float | None,
        typer.Option("--keep-share", metavar="SHARE", help="share of all documents to keep, those of largest score"),
    ] = None,
    route: Annotated[
        bool, typer.Option("--route", help="keep every document, in a folder of its most probable label")
    ] = False,
    dropped: Annotated[
        str | None, typer.Option("--dropped", metavar="FOLDER", help="folder for the documents that are not kept")
    ] = None,
    text_column: Annotated[
        str | None,
        typer.Option("--text-column", help="column, or key, of the texts; default: that of training"),
    ] = None,
    precision: Annotated[str, typer.Option("--precision", help="float32, or int8")] = "float32",
    engine: Annotated[str | None, typer.Option("--engine", metavar="ray", help="run on a Ray cluster")] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="Ray cluster address; default: start a local cluster")
    ] = None,
) -> None:
    """Filter files of documents by a model: the same files, with the documents that are kept.

    Example: textcnn filter model corpus/ --output good --keep quality --keep-share 0.1
    """
    if route == (keep is not None):
        raise ConfigError("filter expects --keep LABEL or --route, and not both")
    given: dict[str, Any] = {"--min-probability": min_probability, "--min-score": min_score, "--keep-share": keep_share}
    given |= {"--dropped": dropped}
    if route and (named := [name for name, value in given.items() if value is not None]):
        raise ConfigError(f"--route keeps every document and cannot be used with {', '.join(named)}")
    if engine not in (None, *ENGINES):
        raise ConfigError(f"--engine must be {' or '.join(ENGINES)}, got {engine!r}")
    if address is not None and engine is None:
        raise ConfigError("--address needs --engine ray")
    from textcnn.cluster.filesystem import open_place
    from textcnn.core.memory import use_one_arena
    from textcnn.core.threads import num_threads
    from textcnn.filtering.documents import text_column_of
    from textcnn.filtering.job import SCORES, FilterJob
    from textcnn.filtering.rule import Rule
    from textcnn.filtering.run import run_filter
    from textcnn.filtering.shards import find_shards
    from textcnn.folder.config_json import read_config
    from textcnn.folder.model_folder import fingerprint
    from textcnn.labels import Labels
    from textcnn.reading.messages import counted
    from textcnn.reading.schema import schema_of

    use_one_arena()
    config = read_config(model)
    rule = Rule(keep, min_probability, keep_share, min_score).of(Labels.of(config))
    kept, aside = open_place(output), None if dropped is None else open_place(dropped)
    if aside is not None and (kept.holds(aside) or aside.holds(kept)):
        raise ConfigError(f"--dropped {dropped!r} and --output {output!r} must not lie in each other")
    shards, left_out = find_shards(inputs, [place for place in (kept, aside) if place is not None])
    column = text_column_of(shards, text_column, schema_of(config))
    console.say(f"reading {counted(len(shards), 'shard')}: text={column!r}")
    job = FilterJob(model.absolute(), fingerprint(model), rule, column, kept, aside, precision)
    signals.interrupt_at_sigterm()  # so that a local cluster is stopped as well
    progress, documents, read = RowsProgress(), 0, 0
    size = max(sum(shard.size for shard in shards), 1)

    def tell(phase: Any, shard: Any, result: Any) -> None:
        nonlocal documents, read
        documents += result.documents
        read += shard.size
        progress.update(documents, None if phase.phase == SCORES else min(read / size, 1.0))
        if result.problem is not None:
            console.say(f"left out: {result.problem}")
        else:
            console.detail(f"{'scored' if phase.phase == SCORES else 'filtered'} {shard.name}")

    try:
        outcome = run_filter(job, shards, threads=num_threads(), engine=engine, address=address, tell=tell)
    finally:
        progress.stop()
    if outcome.before:
        console.say(f"note: {counted(outcome.before, 'shard')} had been filtered before")
    if left_out:
        console.say(f"note: {counted(left_out, 'file')} of other formats were not read")
    console.say(_summary(outcome.summary))


def _summary(summary: dict[str, Any]) -> str:
    parts = [f"kept {summary['kept']:,} of {summary['documents']:,} documents"]
    if summary["keep_share"] is not None:
        parts.append(f"those with a score of at least {summary['threshold']:.6g}")
    parts += [f"{count:,} as {label}" for label, count in summary.get("labels", {}).items()]
    parts += [f"{count:,} rejected ({reason})" for reason, count in summary["rejected"].items()]
    return ", ".join(parts)
