"""How many wrong labels an audit finds: some are made wrong at random, and the rows are ranked by cross validation.

Which labels are flipped is chance, and one draw says little: of 138 flips in 6,920 rows a share has a standard error of
4 points. So the figure is the mean over several draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command import Output, Table, main, show, words_of
from benchmarks.spoiling import flip
from textcnn.benchmark.document import FinishedRuns, command_line, data_name, describe_machine, shown_settings
from textcnn.config import Config, DataConfig
from textcnn.errors import ConfigError
from textcnn.explain.audit import rank_rows
from textcnn.explain.linear_ensemble import with_second_opinion
from textcnn.labels import Labels
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples, read_examples
from textcnn.runs.folds import cross_validate
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_numbers

DEPTHS = (0.01, 0.02, 0.05, 0.1, 0.2)  # shares of the ranked rows that somebody looks at


def run_audit(
    data: Any,
    reporter: Reporter,
    *,
    reading: DataConfig,
    share: float,
    num_folds: int,
    seeds: Sequence[int],
    settings: Mapping[str, Any],
    output: Path | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Flip labels, rank, and count the flipped ones among the first rows, once for every seed.

    Args:
        data: labelled texts, one label each.
        reporter: is told what happens.
        reading: how the data are read.
        share: of the rows whose labels are flipped.
        num_folds: of the cross validation.
        seeds: one run each; a seed decides what is flipped, and the training.
        settings: of every training, by name.
        output: where the document goes; a stopped start is continued.
        arguments: of the command line, for the document.

    Raises:
        ConfigError: the texts may have several labels each, or no row would be flipped.
    """
    examples = read_examples(data, reading)
    if examples.multi_label or not 0 < round(share * len(examples)) < len(examples):
        raise ConfigError(
            f"expected single-label texts of which some are flipped, got a share of {share} of {len(examples)} rows"
        )
    name = data_name(examples.name)
    decides = {"share": share, "folds": num_folds, "settings": shown_settings(settings), "data": name}
    finished = FinishedRuns(output, decides)
    runs = []
    for seed in seeds:
        reporter.say(f"seed {seed}")
        config = Config.from_flat({**settings, "seed": seed})
        runs.append(finished.run(str(seed), _found, examples, share, config, num_folds, reporter))
    recalls = np.array([[entry["recall"] for entry in run["found"]] for run in runs])
    mean = [{"share": depth, "recall": float(value)} for depth, value in zip(DEPTHS, recalls.mean(axis=0), strict=True)]
    document = {
        "benchmark": "audit",
        **describe_machine(),
        "command": command_line(arguments),
        "rows": len(examples),
        **decides,
        "runs": runs,
        "mean": mean,
    }
    finished.write(document)
    return document


def _found(examples: Examples, share: float, config: Config, num_folds: int, reporter: Reporter) -> dict[str, Any]:
    """The flipped labels of one draw among the first rows of the ranking."""
    seed = config.training.seed
    spoiled = flip(examples, share, seed=seed)
    folds, summary, _ = cross_validate(spoiled, config, num_folds, reporter)
    labels = Labels.collect(spoiled.labels, multi_label=False)
    both = with_second_opinion(folds, spoiled.texts, spoiled.labels, labels)
    order = [suspect.row for suspect in rank_rows(both or folds, labels, spoiled.labels)]
    wrong = np.array([one != other for one, other in zip(examples.labels, spoiled.labels, strict=True)])
    found = np.cumsum(wrong[order])
    depths = [max(int(depth * len(examples)), 1) for depth in DEPTHS]
    return {
        "seed": seed,
        "flipped": int(wrong.sum()),
        "accuracy_out_of_fold": summary["mean"]["accuracy"],
        "second_opinion": both is not None,
        "found": [
            {"share": depth, "rows": n, "flips": int(found[n - 1]), "recall": float(found[n - 1] / wrong.sum())}
            for depth, n in zip(DEPTHS, depths, strict=True)
        ],
    }


def to_markdown(document: Mapping[str, Any]) -> str:
    """The document as a table."""
    lines = [
        "# Wrong labels that an audit finds",
        "",
        f"Made by `{document['command']}`. Of {document['rows']:,} rows ({document['data']}), {document['share']:.0%} "
        f"have a wrong label, drawn at random; the model and, as a second opinion, linear models rank all rows by "
        f"{document['folds']} folds. How many of the wrong labels are among the first of them:",
        "",
        "| seed | wrong labels | accuracy out of fold | " + " | ".join(f"first {d:.0%}" for d in DEPTHS) + " |",
        "| ---: | ---: | ---: |" + " ---: |" * len(DEPTHS),
    ]
    for run in document["runs"]:
        cells = [f"{entry['recall']:.1%} ({entry['flips']} in {entry['rows']:,} rows)" for entry in run["found"]]
        accuracy = f"{run['accuracy_out_of_fold']:.4f}"
        lines.append(f"| {run['seed']} | {run['flipped']} | {accuracy} | " + " | ".join(cells) + " |")
    means = " | ".join(f"{entry['recall']:.1%}" for entry in document["mean"])
    lines.append(f"| mean | | | {means} |")
    return "\n".join(lines) + "\n"


def audit(
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, one label each")],
    share: Annotated[float, typer.Option(min=0, max=1, help="of the rows, whose labels are made wrong")] = 0.02,
    folds: Annotated[int, typer.Option(min=2, help="folds of the cross validation that ranks the rows")] = 5,
    seeds: Annotated[str, typer.Option(metavar="N,N,...", help="one draw of wrong labels each")] = "1,2,3",
    set: options.Set = None,
    output: Output = None,
    table: Table = None,
) -> None:
    """How many labels made wrong at random `textcnn audit` ranks among the first rows.

    Example: python -m benchmarks.audit reviews.csv --share 0.02 --output audit.json
    """
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_audit(
        data,
        reporter(),
        reading=options.data_config(None, None, "auto", "utf-8"),
        share=share,
        num_folds=folds,
        seeds=split_numbers("--seeds", seeds) or (),
        settings=options.merge_settings(None, set, {}),
        output=output,
        arguments=words_of("audit"),
    )
    show(to_markdown(document), table)


if __name__ == "__main__":
    main(audit)
