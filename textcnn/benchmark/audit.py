"""How many wrong labels an audit finds: some are made wrong at random, and the rows are ranked by cross validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textcnn.benchmark.document import data_name
from textcnn.benchmark.machine import command_line, describe_machine
from textcnn.benchmark.spoiling import flip
from textcnn.config import DataConfig
from textcnn.errors import ConfigError
from textcnn.explain.label_errors import rank_rows
from textcnn.runs.settings import train_text
from textcnn.text.reading import read_examples
from textcnn.training.progress import Reporter

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
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Flip labels, rank, and count the flipped ones among the first rows, once for every seed.

    Args:
        data: labelled texts, one label each.
        reporter: is told what happens.
        reading: how the data are read.
        share: of the rows whose labels are flipped.
        num_folds: of the cross validation.
        seeds: decide what is flipped, and the training.
        settings: of every training, by name.
        arguments: of the command line, for the document.

    Raises:
        ConfigError: the texts may have several labels each, or no row would be flipped.
    """
    examples = read_examples(data, reading)
    if examples.multi_label or not 0 < round(share * len(examples)) < len(examples):
        raise ConfigError(
            f"expected single-label texts of which some are flipped, got a share of {share} of {len(examples)} rows"
        )
    runs = []
    for seed in seeds:
        spoiled = flip(examples, share, seed=seed)
        run = train_text(spoiled, {**settings, "seed": seed}, reporter, folds=num_folds)
        artifact = run.predictor.artifact
        assert artifact.folds is not None
        order = [suspect.row for suspect in rank_rows(artifact.folds, artifact.labels, spoiled.labels)]
        wrong = np.array([one != other for one, other in zip(examples.labels, spoiled.labels, strict=True)])
        found = np.cumsum(wrong[order])
        depths = [max(int(depth * len(examples)), 1) for depth in DEPTHS]
        runs.append(
            {
                "seed": seed,
                "flipped": int(wrong.sum()),
                "accuracy_out_of_fold": run.summary["folds"]["mean"]["accuracy"],
                "found": [
                    {"share": depth, "rows": n, "flips": int(found[n - 1]), "recall": float(found[n - 1] / wrong.sum())}
                    for depth, n in zip(DEPTHS, depths, strict=True)
                ],
            }
        )
    return {
        "benchmark": "audit",
        **describe_machine(),
        "command": command_line(arguments),
        "data": data_name(examples.name),
        "rows": len(examples),
        "share": share,
        "folds": num_folds,
        "settings": dict(settings),
        "runs": runs,
    }


def to_markdown(document: Mapping[str, Any]) -> str:
    """The document as a table."""
    lines = [
        "# Wrong labels that an audit finds",
        "",
        f"Made by `{document['command']}`. Of {document['rows']:,} rows ({document['data']}), {document['share']:.0%} "
        f"have a wrong label, drawn at random; {document['folds']} folds rank all rows. How many of the wrong labels "
        f"are among the first of them:",
        "",
        "| seed | wrong labels | accuracy out of fold | " + " | ".join(f"first {d:.0%}" for d in DEPTHS) + " |",
        "| ---: | ---: | ---: |" + " ---: |" * len(DEPTHS),
    ]
    for run in document["runs"]:
        cells = [f"{entry['recall']:.1%} ({entry['flips']} in {entry['rows']:,} rows)" for entry in run["found"]]
        accuracy = f"{run['accuracy_out_of_fold']:.4f}"
        lines.append(f"| {run['seed']} | {run['flipped']} | {accuracy} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
