"""Runs fastText in a process of its own, with a JSON request on stdin and the answers as JSON on stdout.

It imports nothing of textcnn, so that another interpreter, with packages that fastText needs, can run it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import fasttext

PREFIX = "__label__"


def answer(request: dict[str, Any]) -> list[tuple[list[int], list[float]]]:
    """Train on ``texts`` with the label ids ``truth``, and return label ids and probabilities of each ``test_texts``.

    Texts are words separated by blanks, without line ends. With ``several`` the labels are independent (one-vs-all
    loss), otherwise each text has one.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        lines = zip(request["texts"], request["truth"], strict=True)
        path.write_text(
            "".join(" ".join([*(f"{PREFIX}{label}" for label in ids), text]) + "\n" for text, ids in lines),
            encoding="utf-8",
        )
        loss = "ova" if request["several"] else "softmax"
        model = fasttext.train_supervised(str(path), loss=loss, thread=1, verbose=0, **request["settings"])
    labels, probabilities = model.predict(request["test_texts"], k=-1, threshold=0.0)
    return [
        ([int(name.removeprefix(PREFIX)) for name in names], [float(value) for value in values])
        for names, values in zip(labels, probabilities, strict=True)
    ]


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
