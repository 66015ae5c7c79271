"""Answers as rows for people and programs: one dictionary for each input row, streamed in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from textcnn.inference.predictor import Answers, Predictor

CHUNK = 512  # rows in memory at once


class InputRow(Protocol):
    """What is needed of a row that was read: its text, and its other columns to carry through."""

    @property
    def text(self) -> str:
        """The text to classify."""

    @property
    def columns(self) -> Mapping[str, Any]:
        """Every cell of the row."""


def classify_rows(
    predictor: Predictor,
    rows: Iterable[InputRow],
    *,
    text_columns: Sequence[str] = (),
    top_k: int | None = None,
    threshold: float | None = None,
    counts: Counter[str] | None = None,
    explain: Callable[[Sequence[str], float | None], tuple[Answers, Sequence[Any]]] | None = None,
) -> Iterator[dict[str, Any]]:
    """One dictionary for each row, in order.

    Args:
        predictor: a text model.
        rows: are read only as far as they are needed.
        text_columns: the columns the text was made of; a single one called ``text`` is not carried a second time.
        top_k: list that many labels, the most probable first.
        threshold: instead of the model's own (multi-label).
        counts: is filled with rows, tokens, unknown tokens, empty and cut rows.
        explain: answers some texts, by that threshold, and makes the ``explanation`` of each.

    Raises:
        ArtifactError: the model is for images. Before any row is read, as the next one.
        ConfigError: a threshold for a single-label model, or outside 0 to 1.
    """
    predictor.text_inputs()
    predictor.thresholds(threshold)
    counts = Counter() if counts is None else counts

    def answered() -> Iterator[dict[str, Any]]:
        stream = iter(rows)
        while chunk := list(islice(stream, CHUNK)):
            texts = [row.text for row in chunk]
            explanations: Sequence[Any] | None = None
            if explain is None:
                answers = predictor.answer(texts, threshold=threshold)
            else:
                answers, explanations = explain(texts, threshold)
            counts.update(
                rows=len(chunk),
                tokens=answers.num_tokens,
                unknown=answers.num_unknown,
                empty=int(answers.empty.sum()),
                cut=int(answers.cut.sum()),
            )
            for number, row in enumerate(chunk):
                own = {"text": row.text, **answer_of(predictor, answers, number, top_k=top_k)}
                if explanations is not None:
                    own["explanation"] = explanations[number]
                yield own | _carried(row.columns, own, tuple(text_columns) == ("text",))

    return answered()


def classify_images(
    predictor: Predictor, pixels: npt.NDArray[Any], *, top_k: int | None = None
) -> Iterator[dict[str, Any]]:
    """One dictionary for each image of ``pixels (N, C, H, W)``, in order.

    Raises:
        ArtifactError: the model is for texts.
        DataError: images of another shape than the model's.
    """
    predictor.artifact.image_inputs().encode(pixels)

    def answered() -> Iterator[dict[str, Any]]:
        for start in range(0, len(pixels), CHUNK):
            answers = predictor.answer(pixels[start : start + CHUNK])
            for number in range(len(answers.labels)):
                yield {"image": start + number, **answer_of(predictor, answers, number, top_k=top_k)}

    return answered()


def answer_of(predictor: Predictor, answers: Answers, number: int, *, top_k: int | None = None) -> dict[str, Any]:
    """The answer to row ``number``: label and probability; the labels given (multi-label); top_k; certified; flags.

    A multi-label row names its most probable label as ``label``, whether or not that reached its threshold.
    """
    labels = predictor.labels
    probs = answers.probabilities[number]
    ranked = np.argsort(-probs, kind="stable")
    entries = [{"label": labels.names[i], "probability": float(probs[i])} for i in ranked]
    answer: dict[str, Any] = dict(entries[0])
    if top_k is not None:
        answer["top"] = entries[:top_k]
    if labels.multi_label:
        answer["labels"] = [entry for entry in entries if entry["label"] in answers.labels[number]]
    if answers.certified is not None:
        answer["certified"] = bool(answers.certified[number])
    answer["flags"] = [name for name in ("empty", "cut") if getattr(answers, name)[number]]
    return answer


def _carried(columns: Mapping[str, Any], own: Mapping[str, Any], skip_text: bool) -> dict[str, Any]:
    carried: dict[str, Any] = {}
    for name, value in columns.items():
        if name == "text" and skip_text:
            continue
        while name in own or name in carried:
            name = f"input_{name}"
        carried[name] = value
    return carried
