"""The table of the README: this package and its peers, from documents that other benchmarks have written.

``python -m benchmarks.summary > docs/benchmarks/summary.md``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs/benchmarks"
SETS = {"trec": "trec", "sst2": "sst2", "mr": "mr", "banking77": "banking77", "imdb": "imdb", "nsmc-recipe": "nsmc"}
NAMES = {"kim": "textcnn", "svm": "linear SVM, words", "svm-char": "linear SVM, characters"}


def main() -> None:
    """Print the table."""
    print(
        to_markdown(*(json.loads((FOLDER / f"{name}.json").read_text()) for name in ("accuracy", "train", "classify")))
    )


def to_markdown(accuracy: dict[str, Any], train: dict[str, Any], classify: dict[str, Any]) -> str:
    """Accuracy on every set in percent, and on IMDB the seconds of training and the speed of classifying.

    Args:
        accuracy: the document of ``make panel``.
        train: that of ``make bench-train``; its part a trains with default settings, its part c to fastText's accuracy.
        classify: that of ``make bench-classify``.
    """
    own, quick = (train["parts"][part]["measured"] for part in ("a", "c"))
    files = classify["parts"]["a"]["measured"]
    speed = files["fasttext"]["median"] / files["float32"]["median"]
    others = {"kim": [f"{own['imdb']['checkout']['seconds']['median']:.0f}", f"{speed:.1f}"]}
    rows = [[title, *_accuracies(accuracy, model), *others.get(model, ["", ""])] for model, title in NAMES.items()]
    for title, name, rate in (("textcnn, `--preset fast`, one epoch", "ours", ""), ("fastText", "fasttext", "1")):
        percents = [f"{quick['accuracy'][name]:.1%}"[:-1] if data == "imdb" else "" for data in SETS]
        rows.append([title, *percents, f"{quick[name]['median']:.0f}", rate])
    rows = [rows[0], *rows[3:], *rows[1:3]]
    head = ["test accuracy, %", *SETS.values(), "training on imdb, s", "classifying imdb, fastText = 1"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _accuracies(document: dict[str, Any], model: str) -> list[str]:
    """The mean over seeds, set by set."""
    found = []
    for data in SETS:
        (result,) = (one for one in document["sets"][data]["results"] if one["model"] == model)
        values = [run["test"]["accuracy"] for run in result["runs"]]
        found.append(f"{100 * sum(values) / len(values):.1f}")
    return found


if __name__ == "__main__":
    main()
