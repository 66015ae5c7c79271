"""Kim 2014 (arXiv 1408.5882) by its protocol on the movie reviews: ten folds, three ways to use pretrained vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command import Output, Table, main, show, words_of
from textcnn.benchmark.document import FinishedRuns, command_line, describe_machine
from textcnn.config import Config
from textcnn.errors import ConfigError
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples, read_examples
from textcnn.runs import run_text
from textcnn.training.sampler import stratified_folds
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_list

# Our name of each variant, the paper's name, and its accuracy on mr (table 2 of the paper).
VARIANTS: Mapping[str, tuple[str, float]] = {
    "static": ("CNN-static", 81.0),
    "fine-tuned": ("CNN-non-static", 81.5),
    "multichannel": ("CNN-multichannel", 81.1),
}
NUM_FOLDS = 10
# Section 3.1 of the paper; the epochs are those of the author's program, of which the dev rows choose one.
PAPER: Mapping[str, Any] = {
    "architecture": "kim",
    "pooling": "max",
    "kernel_sizes": [3, 4, 5],
    "num_filters": 100,
    "nested": False,
    "dropout": 0.5,
    "max_norm": 3.0,
    "embedding_optimizer": "adam",
    "batch_size": 50,
    "epochs": 25,
    "dev_fraction": 0.1,
    "subwords": False,
    "wide": False,
    "label_smoothing": 0.0,
    "word_dropout": 0.0,
    "rare_dropout": 0.0,
}
DIFFERENCES = (
    "GloVe 6B vectors of 100 numbers, not word2vec of 300: the network is a third as wide at its input",
    "AdamW with a rate that falls to 0 over the epochs, not Adadelta",
    "windows reach over both ends of a sentence by its own length; the author's program pads all to one length",
    "folds and dev rows are drawn within each label",
)


def run_kim2014(
    data: Any,
    vectors: Path,
    reporter: Reporter,
    *,
    variants: Sequence[str] = tuple(VARIANTS),
    num_folds: int = NUM_FOLDS,
    settings: Mapping[str, Any] | None = None,
    output: Path | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Train on nine folds, a tenth of them dev rows that choose the epoch; measure on the tenth fold, once.

    Args:
        data: all rows, anything ``textcnn.train`` takes.
        vectors: pretrained word vectors.
        reporter: is told of progress.
        variants: of :data:`VARIANTS`.
        num_folds: 10 in the paper.
        settings: take the place of those of the paper, by name.
        output: the document to be written; runs that a stopped start finished for it are kept next to it.
        arguments: the command line, for the record.

    Returns:
        A document of JSON values.

    Raises:
        ConfigError: an unknown variant.
        DataError: data that cannot be read as asked.
    """
    if unknown := [name for name in variants if name not in VARIANTS]:
        raise ConfigError(f"variants must be of {', '.join(VARIANTS)}, got {', '.join(map(repr, unknown))}")
    chosen = {**PAPER, **(settings or {})}
    examples = read_examples(data, Config.from_flat(chosen).data)
    fold = stratified_folds(examples.labels, num_folds, seed=0)
    runs = FinishedRuns(output, {**chosen, "vectors": vectors.name, "folds": num_folds, "rows": len(examples)})
    results = []
    for variant in variants:
        given = {**chosen, "vectors": str(vectors), "embedding_channels": variant}
        found = []
        for number in range(num_folds):
            reporter.say(f"{variant}, fold {number + 1} of {num_folds}")
            kept, held = examples.subset(fold != number), examples.subset(fold == number)
            found.append(runs.run(f"{variant} {number}", _fold, kept, held, given, reporter))
        results.append(_result(variant, found))
    document = {
        "benchmark": "kim2014",
        **describe_machine(),
        "command": command_line(arguments),
        "settings": {**chosen, "vectors": vectors.name},
        "num_rows": len(examples),
        "num_folds": num_folds,
        "differences": list(DIFFERENCES),
        "results": results,
    }
    runs.write(document)
    return document


def _fold(kept: Examples, held: Examples, settings: Mapping[str, Any], reporter: Reporter) -> dict[str, Any]:
    summary = run_text(kept, Config.from_flat(settings), reporter, test=held).summary
    return {
        "rows": summary["examples"],
        "best_epoch": summary["best_epoch"],
        "train_seconds": summary["train_seconds"],
        "covered_tokens": summary["vectors"]["covered_tokens"] / summary["vectors"]["tokens"],
        "dev": summary["dev"]["accuracy"],
        "test": summary["test"]["accuracy"],
    }


def _result(variant: str, folds: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over the folds, and their spread (of the sample)."""
    accuracies = np.array([fold["test"] for fold in folds])
    name, paper = VARIANTS[variant]
    return {
        "variant": variant,
        "paper_name": name,
        "paper": paper,
        "mean": float(accuracies.mean()),
        "std": float(accuracies.std(ddof=1)),
        "dev_mean": float(np.mean([fold["dev"] for fold in folds])),
        "folds": folds,
    }


def to_markdown(document: Mapping[str, Any]) -> str:
    """The paper's figures next to ours, and in what the two differ."""
    lines = [
        "| model | paper, % | ours, % | spread of the folds | dev rows, % |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for found in document["results"]:
        ours = f"{100 * found['mean']:.1f} | {100 * found['std']:.1f} | {100 * found['dev_mean']:.1f}"
        lines.append(f"| {found['paper_name']} (`embedding_channels={found['variant']}`) | {found['paper']} | {ours} |")
    head = (
        f"# Kim 2014 by its protocol\n\n{document['num_rows']:,} sentences of movie reviews, {document['num_folds']} "
        "folds: all but one train, a tenth of their rows choose the epoch, the one left out is measured once.\n"
        "Ours differs from the paper:\n"
    )
    return "\n".join([head, *(f"- {line}" for line in document["differences"]), "", *lines]) + "\n"


def kim2014(
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, all of them")],
    vectors: Annotated[Path, typer.Option(metavar="FILE", help="pretrained word vectors")],
    variants: Annotated[
        str, typer.Option(metavar="V,V,...", help="how the vectors are used")
    ] = "static,fine-tuned,multichannel",
    folds: Annotated[int, typer.Option(min=2, help="folds of the cross validation")] = 10,
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
) -> None:
    """Kim 2014 by its protocol: cross validation of the plain network with pretrained vectors, three ways.

    Example: python -m benchmarks.kim2014 reviews.csv --vectors glove.txt.gz --output kim2014.json
    """
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_kim2014(
        data,
        vectors,
        reporter(),
        variants=split_list("--variants", variants, str, "names") or (),
        num_folds=folds,
        settings=options.merge_settings(None, set, {}),
        output=output,
        arguments=words_of("kim2014"),
    )
    show(to_markdown(document), table)


if __name__ == "__main__":
    main(kim2014)
