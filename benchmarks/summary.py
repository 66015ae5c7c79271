"""The table of the README: this package and its peers, from documents that other benchmarks have written.

``python -m benchmarks.summary > docs/benchmarks/summary.md``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs/benchmarks"
SETS = {"trec": "trec", "sst2": "sst2", "mr": "mr", "banking77": "banking77", "imdb": "imdb", "nsmc-recipe": "nsmc"}
NAMES = {
    "kim": "textcnn",
    "fasttext": "fastText, 25 epochs",
    "svm": "linear SVM, words",
    "svm-char": "linear SVM, characters",
    "svm-words+char": "linear SVM, words and characters",
}


def main() -> None:
    """Print the table."""
    print(
        to_markdown(*(json.loads((FOLDER / f"{name}.json").read_text()) for name in ("accuracy", "train", "classify")))
    )


def to_markdown(accuracy: dict[str, Any], train: dict[str, Any], classify: dict[str, Any]) -> str:
    """Accuracy on every set in percent, and on IMDB the seconds of training and the speed of classifying.

    Args:
        accuracy: the document of ``make panel``, with the baselines of ``make panel-peers``.
        train: that of ``make bench-train``; its part i trains with default settings, its part c to fastText's accuracy.
        classify: that of ``make bench-classify``.
    """
    own, quick = (train["parts"][part]["measured"] for part in ("i", "c"))
    files = classify["parts"]["a"]["measured"]
    speed = files["fasttext"]["median"] / files["float32"]["median"]
    others = {"kim": [f"{own['imdb']['default']['median']:.0f}", f"{speed:.1f}"]}
    rows = [[title, *_accuracies(accuracy, model), *others.get(model, ["", ""])] for model, title in NAMES.items()]
    for title, name, rate in (
        ("textcnn, `--preset fast --calibrate none`, one epoch", "ours", ""),
        ("fastText, 5 epochs", "fasttext", "1"),
    ):
        percents = [f"{quick['accuracy'][name]:.1%}"[:-1] if data == "imdb" else "" for data in SETS]
        rows.append([title, *percents, f"{quick[name]['median']:.0f}", rate])
    rows = [rows[0], *rows[-2:], *rows[1:-2]]
    head = ["test accuracy, %", *SETS.values(), "training on imdb, s", "classifying imdb, fastText = 1"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _accuracies(document: dict[str, Any], model: str) -> list[str]:
    """Return the mean over seeds in percent, set by set; blank where the model is not measured."""
    found = []
    for data in SETS:
        means = {result["model"]: result["mean"]["accuracy"] for result in document["sets"][data]["results"]}
        found.append(f"{100 * means[model]:.1f}" if model in means else "")
    return found


if __name__ == "__main__":
    main()
