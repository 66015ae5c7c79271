"""Reasons measured: do sums add up, is what-if brute force, do blanks change nothing, and what does it all cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.brute_force import TOLERANCE
from benchmarks.command import main, words_of
from benchmarks.reasons_checks import check_reasons
from benchmarks.reasons_speed import speed_of_reasons
from textcnn.atomic import write_text
from textcnn.benchmark.document import FinishedRuns, command_line, describe_machine
from textcnn.progress import Reporter
from textcnn_cli.options import prepare_outputs, split_list

KIND = "reasons"
KINDS = ("default", "pure")


def reasons_benchmark(
    data: Path,
    models: Path,
    sets: Sequence[str],
    reporter: Reporter,
    *,
    num_texts: int,
    speed_sets: Sequence[str],
    output: Path | None,
    arguments: Sequence[str],
) -> dict[str, Any]:
    """Measure the models ``SET-default`` and ``SET-pure`` of each set on its test rows.

    Args:
        data: holds a folder with ``test.csv.gz`` for each set.
        models: their folders.
        sets: names.
        reporter: is told of progress.
        num_texts: the first so many test rows are looked at.
        speed_sets: sets whose whole test rows are classified with and without reasons.
        output: where the document goes; a stopped start is continued.
        arguments: the command line, for the record.

    Raises:
        ArtifactError: a model that is not there.
        ConfigError: one of more than one layer.
        DataError: rows that cannot be read.
    """
    runs = FinishedRuns(output, {"texts": num_texts, "sets": list(sets), "speed": list(speed_sets)})
    found: dict[str, Any] = {}
    for name in sets:
        path = str(data / name / "test.csv.gz")
        for kind in KINDS:
            reporter.say(f"{name}, {kind}")
            folder = models / f"{name}-{kind}"
            found.setdefault(name, {})[kind] = runs.run(f"{name}, {kind}", check_reasons, folder, path, num_texts)
        if name in speed_sets:
            found[name]["speed"] = runs.run(f"{name}, speed", speed_of_reasons, models / f"{name}-{KINDS[0]}", path)
    document = {
        "benchmark": KIND,
        "command": command_line(arguments),
        "machine": describe_machine(),
        "tolerance": TOLERANCE,
        "sets": found,
    }
    runs.write(document)
    return document


def to_markdown(document: Mapping[str, Any]) -> str:
    """The document as tables."""
    machine = document["machine"]
    lines = [
        "# Reasons",
        "",
        f"Made by `{document['command']}` at {machine['commit']}, on {machine['cpu']}. First test rows of each set; a "
        f"mismatch is another label, or a logit further than {document['tolerance']:.0e} from brute force.",
        "",
        "| set, model | texts | words | residual | to classify | deletions | wrong | certified | us | replaced | wrong "
        "| smallest set: words | at most 3 | sufficient, share | wrong |",
        "| --- " + "| ---: " * 14 + "|",
    ]
    for name, kinds in document["sets"].items():
        for kind in KINDS:
            lines.append(_line(f"{name}, {kind}", kinds[kind]))
    for name, kinds in document["sets"].items():
        if speed := kinds.get("speed"):
            lines += [
                "",
                f"`classify` on {name}'s test rows, file to file: {speed['classify_words_per_second']:,} words/s; with "
                f"`--explain` {speed['explain_words_per_second']:,} ({speed['ratio']:.0%}).",
            ]
    return "\n".join(lines) + "\n"


def _line(title: str, part: Mapping[str, Any]) -> str:
    sums, gone, put, few = part["sums"], part["deletion"], part["replacement"], part["smallest"]
    enough = part.get("sufficient")
    cells = [
        f"{part['texts']:,}",
        f"{part['words_per_text']}",
        f"{sums['largest_residual']:.0e}",
        f"{sums['largest_difference_to_classify']:.0e}",
        f"{gone['variants']:,}",
        f"{gone['mismatches']}",
        f"{gone['texts_certified']:.1%}",
        f"{gone['microseconds_per_variant']}",
        f"{put['variants']:,}",
        f"{put['mismatches']}",
        f"{few['mean_words']}",
        f"{few['texts_with_at_most_3_words']:.0%}",
        "" if enough is None else f"{enough['mean_share_of_words']:.1%}",
        "" if enough is None else f"{enough['mismatches']}",
    ]
    return f"| {title} | {' | '.join(cells)} |"


def reasons(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="holds SET/test.csv.gz")],
    models: Annotated[Path, typer.Argument(metavar="MODELS", help="holds the models SET-default and SET-pure")],
    sets: Annotated[str, typer.Option(metavar="S,S,...", help="names of sets")] = "trec,sst2,imdb,goemotions",
    num_texts: Annotated[int, typer.Option("--texts", min=1, help="the first so many test rows of each set")] = 500,
    speed_sets: Annotated[
        str, typer.Option("--speed", metavar="S,S,...", help="sets to time `classify --explain` on; none: no set")
    ] = "imdb",
    output: Annotated[
        Path | None, typer.Option(help="write the JSON document to this file; a stopped start is continued")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
) -> None:
    """Sums, what-if against brute force, sufficient words bit by bit, and the speed of `classify --explain`.

    Example: python -m benchmarks.reasons DATA MODELS --sets trec --speed none
    """
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    timed = () if speed_sets == "none" else split_list("--speed", speed_sets, str, "names") or ()
    document = reasons_benchmark(
        data,
        models,
        split_list("--sets", sets, str, "names") or (),
        reporter(),
        num_texts=num_texts,
        speed_sets=timed,
        output=output,
        arguments=words_of("reasons"),
    )
    if table is not None:
        write_text(table, to_markdown(document))
    print(to_markdown(document), end="")


if __name__ == "__main__":
    main(reasons)
