"""Answers as rows for people and programs: one dictionary for each input row, streamed in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from textcnn.labels import Labels

if TYPE_CHECKING:
    from textcnn.prediction.predictor import Predictor
    from textcnn.runtime.text_model import Answers

CHUNK = 512  # rows in memory at once
_CHARACTERS = 2**22  # of their texts: long ones come fewer at a time


class InputRow(Protocol):
    """What is needed of a row that was read: its text, and its other columns to carry through."""

    @property
    def text(self) -> str:
        """The text to classify."""

    @property
    def columns(self) -> Mapping[str, Any]:
        """Every cell of the row."""


class Answerer(Protocol):
    """What answers texts: a predictor, of any runtime."""

    @property
    def labels(self) -> Labels:
        """The labels, in the order of the columns of the probabilities."""

    def answer(self, rows: Sequence[str], *, threshold: float | None = None) -> Answers:
        """What the model says of each text."""


@dataclass(frozen=True)
class AnswerForm:
    """What a row of answers holds.

    Attributes:
        text_columns: the columns the text was made of; a single one called ``text`` is not carried a second time.
        top_k: list that many labels, the most probable first.
        threshold: instead of the model's own (multi-label).
    """

    text_columns: tuple[str, ...] = ()
    top_k: int | None = None
    threshold: float | None = None


def classify_rows(
    predictor: Predictor,
    rows: Iterable[InputRow],
    *,
    text_columns: Sequence[str] = (),
    top_k: int | None = None,
    threshold: float | None = None,
    counts: Counter[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """One dictionary for each row, in order.

    Args:
        predictor: a text model.
        rows: are read only as far as they are needed.
        text_columns: as in :class:`AnswerForm`, like the two that follow.
        top_k: how many labels to list.
        threshold: instead of the model's own.
        counts: is filled with rows, tokens, unknown tokens, empty and cut rows.

    Raises:
        ArtifactError: the model is for images. Before any row is read, as the next one.
        ConfigError: a threshold for a single-label model, or outside 0 to 1.
    """
    predictor.text_inputs()
    predictor.thresholds(threshold)
    form = AnswerForm(tuple(text_columns), top_k, threshold)
    total = Counter() if counts is None else counts

    def answered() -> Iterator[dict[str, Any]]:
        for chunk in chunks_of(rows):
            answers, found = answer_rows(predictor, chunk, form)
            total.update(found)
            yield from answers

    return answered()


def chunks_of(rows: Iterable[InputRow], ready: Callable[[], bool] = lambda: True) -> Iterator[list[InputRow]]:
    """The rows, :data:`CHUNK` at a time, or fewer: a chunk ends where the next row is not ``ready`` to be read."""
    chunk: list[InputRow] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.text)
        if len(chunk) == CHUNK or size > _CHARACTERS or not ready():
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def answer_rows(
    predictor: Answerer, rows: Sequence[InputRow], form: AnswerForm
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """One dictionary for each row, and counts of rows, tokens, unknown tokens, empty and cut rows."""
    answers = predictor.answer([row.text for row in rows], threshold=form.threshold)
    found = []
    for row, answer in zip(rows, answers_of(predictor.labels, answers, top_k=form.top_k), strict=True):
        own = {"text": row.text, **answer}
        found.append(own | carried(row.columns, own, form))
    return found, counts_of(answers, len(rows))


def counts_of(answers: Answers, num_rows: int) -> Counter[str]:
    """Counts of rows, tokens, unknown tokens, empty and cut rows."""
    return Counter(
        rows=num_rows,
        tokens=answers.num_tokens,
        unknown=answers.num_unknown,
        empty=int(answers.empty.sum()),
        cut=int(answers.cut.sum()),
    )


def classify_images(
    predictor: Predictor,
    pixels: npt.NDArray[Any],
    *,
    names: Sequence[str] | None = None,
    top_k: int | None = None,
) -> Iterator[dict[str, Any]]:
    """One dictionary for each image of ``pixels (N, C, H, W)``, in order.

    Args:
        predictor: an image model.
        pixels: the images.
        names: of the images; none: they are numbered from 0.
        top_k: list that many labels, the most probable first.

    Raises:
        ArtifactError: the model is for texts.
        DataError: images of another shape than the model's.
    """
    predictor.artifact.image_inputs().encode(pixels)

    def answered() -> Iterator[dict[str, Any]]:
        for start in range(0, len(pixels), CHUNK):
            answers = predictor.answer(pixels[start : start + CHUNK])
            for number, answer in enumerate(answers_of(predictor.labels, answers, top_k=top_k), start=start):
                yield {"image": number if names is None else names[number], **answer}

    return answered()


def answers_of(labels: Labels, answers: Answers, *, top_k: int | None = None) -> Iterator[dict[str, Any]]:
    """The answer to each row: label and probability; the labels given (multi-label); top_k; certified; flags; reasons.

    A multi-label row names its most probable label as ``label``, whether or not that reached its threshold.
    """
    if labels.multi_label or (top_k or 1) > 1:
        every = len(labels) if labels.multi_label else min(top_k or 1, len(labels))
        order = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :every]
        places, values = order.tolist(), np.take_along_axis(answers.probabilities, order, axis=1).tolist()
    else:  # the same, sooner
        places = [[place] for place in answers.probabilities.argmax(axis=1).tolist()]
        values = [[value] for value in answers.probabilities.max(axis=1).tolist()]
    ranked = zip(places, values, strict=True)
    flags = {"empty": answers.empty.tolist(), "cut": answers.cut.tolist()}
    for number, row in enumerate(ranked):
        pairs = zip(*row, strict=True)
        entries = [{"label": labels.names[place], "probability": value} for place, value in pairs]
        answer: dict[str, Any] = dict(entries[0])
        if top_k is not None:
            answer["top"] = entries[:top_k]
        if labels.multi_label:
            answer["labels"] = [entry for entry in entries if entry["label"] in answers.labels[number]]
        if answers.certified is not None:
            answer["certified"] = bool(answers.certified[number])
        answer["flags"] = [name for name, rows in flags.items() if rows[number]]
        if answers.explanations is not None:
            answer["explanation"] = answers.explanations[number]
        yield answer


def carried(columns: Mapping[str, Any], own: Mapping[str, Any], form: AnswerForm) -> dict[str, Any]:
    """The columns of a row, or of many, to carry through, by names that are not those of its ``own`` answer."""
    found: dict[str, Any] = {}
    for name, value in columns.items():
        if name == "text" and form.text_columns == ("text",):
            continue
        while name in own or name in found:
            name = f"input_{name}"
        found[name] = value
    return found
