"""How many texts of unknown labels a model refuses: labels of a set are held out as strangers, and the rest trains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from benchmarks.command import Output, Table, main, words_of, write_outputs
from benchmarks.panel import load_splits
from textcnn.benchmark.document import command_line, describe_machine
from textcnn.errors import DataError
from textcnn.evaluation.strangers import auroc
from textcnn.prediction.strangers import KEPT, StrangerModel
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples, read_examples
from textcnn.runs import train_text
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_numbers

SET, NUM_STRANGE = "banking77", 17
SCORES = {"probability": "largest probability", "own": "none_of_these"}


def run_strangers(
    folder: Path,
    reporter: Reporter,
    *,
    draws: Sequence[int] = (1, 2, 3),
    num_strange: int = NUM_STRANGE,
    settings: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Train without some labels, and tell the test rows of these from those of the others.

    Args:
        folder: holds the set's folder.
        reporter: receives progress messages.
        draws: each decides which labels are held out, and is the seed of training.
        num_strange: the number of labels held out.
        settings: settings by name of all runs.
        arguments: the command line, for the record.

    Returns:
        A document of JSON values.

    Raises:
        DataError: the set is not there, or has too few labels.
    """
    train, test = (read_examples(rows) for rows in load_splits(folder / SET))
    names = sorted({row[0] for row in train.labels})
    if len(names) < num_strange + 2:
        raise DataError(f"expected {num_strange + 2} labels at least, found {len(names)}")
    results = []
    for draw in draws:
        strange = {str(name) for name in np.random.default_rng(draw).permutation(names)[:num_strange]}
        results.append(_draw(train, test, strange, {**(settings or {}), "seed": draw}, reporter))
        reporter.say(f"draw {draw}: " + ", ".join(f"{SCORES[key]} {results[-1][key]['refused']:.1%}" for key in SCORES))
    return {
        "benchmark": "strangers",
        **describe_machine(),
        "command": command_line(arguments),
        "settings": dict(settings or {}),
        "set": SET,
        "kept": KEPT,
        "draws": [{"draw": draw, **found} for draw, found in zip(draws, results, strict=True)],
    }


def refused_share(own: npt.NDArray[np.floating], strangers: npt.NDArray[np.floating], kept: float = 0.95) -> float:
    """Return the share of strangers whose score is below that which a share ``kept`` of the own rows reaches."""
    least = np.sort(own)[math.floor(round(len(own) * (1 - kept), 9))]
    return float((strangers < least).mean())


def _draw(
    train: Examples, test: Examples, strange: set[str], settings: Mapping[str, Any], reporter: Reporter
) -> dict[str, Any]:
    is_strange = np.array([row[0] in strange for row in test.labels])
    kept = train.subset(np.array([row[0] not in strange for row in train.labels]))
    predictor = train_text(kept, settings, reporter).predictor
    own, others = (test.subset(rows) for rows in (~is_strange, is_strange))
    model = StrangerModel(predictor)
    scores = {
        "probability": [predictor.predict_proba(list(part.texts)).max(axis=1) for part in (own, others)],
        "own": [model.scores(part.texts) for part in (own, others)],
    }
    found: dict[str, Any] = {
        name: {"refused": refused_share(own_scores, others_scores, KEPT), "auroc": auroc(own_scores, others_scores)}
        for name, (own_scores, others_scores) in scores.items()
    }
    flagged = [float(predictor.none_of_these(list(part.texts), kept=KEPT).mean()) for part in (own, others)]
    given = predictor.predict(list(own.texts))
    accuracy = float(np.mean([name == row[0] for name, row in zip(given, own.labels, strict=True)]))
    return {
        "strangers": sorted(strange),
        "rows": {"train": len(kept), "own": len(own), "strange": len(others)},
        "accuracy": accuracy,
        **found,
        "flagged": {"own": flagged[0], "strange": flagged[1]},
    }


def to_markdown(document: Mapping[str, Any]) -> str:
    """Return the table: the share of strangers refused and the AUROC of each score, by draw and in the mean."""
    draws, kept = document["draws"], document["kept"]
    number = len(draws[0]["strangers"])
    head = f"strangers refused where {kept:.0%} of the own test rows are kept, %"
    lines = [
        f"| draw | {head}: largest probability | `none_of_these` | AUROC: largest probability | `none_of_these` | "
        f"flagged at `--none-of-these {kept:g}`: own, % | strangers, % |",
        "| --- |" + " ---: |" * 6,
    ]
    cells = [
        [
            *(100 * draw[name]["refused"] for name in SCORES),
            *(draw[name]["auroc"] for name in SCORES),
            *(100 * draw["flagged"][kind] for kind in ("own", "strange")),
        ]
        for draw in draws
    ]
    names = [str(draw["draw"]) for draw in draws] + ["mean"]
    for name, row in zip(names, [*cells, np.mean(cells, axis=0).tolist()], strict=True):
        shown = [f"{value:.3f}" if place in (2, 3) else f"{value:.1f}" for place, value in enumerate(row)]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    rows = draws[0]["rows"]
    return (
        f"# Texts of none of the labels\n\n{document['set']}: {number} labels are held out of training as strangers; "
        f"{rows['own']:,} test rows of the others and {rows['strange']:,} of theirs (draw {draws[0]['draw']}).\n\n"
        + "\n".join(lines)
        + "\n"
    )


def strangers(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help=f"holds {SET}/{{train,test}}.csv.gz")],
    draws: Annotated[str, typer.Option(metavar="N,N,...", help="draws of labels, one run each")] = "1,2,3",
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
    json: options.Json = False,
) -> None:
    """Hold labels out as strangers, and measure how many of their rows are refused: largest probability, and our score.

    Example: python -m benchmarks.strangers FOLDER --output strangers.json
    """
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_strangers(
        folder,
        reporter(),
        draws=split_numbers("--draws", draws) or (),
        settings=options.merge_settings(None, set, {}),
        arguments=words_of("strangers"),
    )
    write_outputs(document, to_markdown, output, table, json)


if __name__ == "__main__":
    main(strangers)
