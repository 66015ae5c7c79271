"""Labelled texts in memory, or in a file where they are too many for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.labels import Target
from textcnn.reading.messages import counted
from textcnn.reading.schema import LabelForm, Schema
from textcnn.reading.soft_labels import SoftLabels
from textcnn.reading.stored import StoredTexts


@dataclass(frozen=True)
class Examples:
    """Texts and their labels; large corpora keep the texts in a file (:mod:`textcnn.reading.stored`).

    Args:
        texts: the texts.
        labels: the labels of each; one for each text unless ``multi_label``.
        multi_label: whether a text may have any number of labels.
        notices: sentences for the user.
        name: name of the source.
        text_columns: the columns that were read as text.
        label_columns: the columns that were read as labels.
        weights: how much each row counts in the loss, ``(N,)`` float64, above 0; none: all the same.
        soft: distributions over the labels; ``labels`` has the likeliest of a row without its own; none: of no row.
        form: detected form of the label cells.
        source: description of the source by :meth:`Rows.describe`.
        targets: in regression, where ``labels`` are numbers as text, the scale of each target; in rows that are read
            like those of a model, none.
    """

    texts: Sequence[str]
    labels: list[tuple[str, ...]]
    multi_label: bool
    notices: tuple[str, ...] = ()
    name: str = ""
    text_columns: tuple[str, ...] = ("text",)
    label_columns: tuple[str, ...] = ("label",)
    weights: npt.NDArray[np.float64] | None = None
    soft: SoftLabels | None = None
    form: LabelForm = LabelForm()
    source: str = ""
    targets: tuple[Target, ...] = ()

    @property
    def schema(self) -> Schema:
        """Return the schema by which other tables are to be read alike."""
        return Schema(self.text_columns, self.label_columns, replace(self.form, multi_label=self.multi_label))

    @property
    def label_sets(self) -> list[tuple[str, ...]]:
        """Return the labels of each row, then those of the distributions."""
        return self.labels if self.soft is None else [*self.labels, self.soft.names]

    @property
    def labelled(self) -> npt.NDArray[np.int64]:
        """Return the numbers of the rows with a label of their own."""
        return np.arange(len(self)) if self.soft is None else np.flatnonzero(self.soft.is_labelled)

    def __len__(self) -> int:
        return len(self.texts)

    def subset(self, rows: Sequence[int] | npt.NDArray[Any]) -> Examples:
        """Return the examples selected by positions or a mask; notices, which concern the whole, are dropped."""
        positions = np.arange(len(self))[np.asarray(rows, None if len(rows) else np.int64)]
        labels = [self.labels[i] for i in positions.tolist()]
        weights = None if self.weights is None else self.weights[positions]
        soft = None if self.soft is None else self.soft.subset(positions)
        return replace(
            self, texts=select_texts(self.texts, positions), labels=labels, weights=weights, soft=soft, notices=()
        )

    def describe(self) -> str:
        """Describe the data in one line, e.g. ``read 5,452 rows: text='text', label='label', 6 labels``."""
        if self.form.numbers:
            first = np.array([float(row[0]) for row in self.labels])
            kind = f"numbers from {first.min():g} to {first.max():g}" if len(self.label_columns) == 1 else "numbers"
            return (
                f"read {counted(len(self), 'row')}: {described_columns(self.text_columns, self.label_columns)}, {kind}"
            )
        count = len({name for names in self.label_sets for name in names})
        return (
            f"read {counted(len(self), 'row')}: {described_columns(self.text_columns, self.label_columns)}, "
            f"{counted(count, 'label')}{', multi-label' if self.multi_label else ''}"
        )


def select_texts(texts: Sequence[str], positions: npt.NDArray[np.int64]) -> Sequence[str]:
    """Return the texts with these numbers, in this order."""
    if len(positions) == len(texts):  # all of them, in their order: positions never repeat
        return texts
    return texts.select(positions) if isinstance(texts, StoredTexts) else [texts[i] for i in positions.tolist()]


def described_columns(text: Sequence[str], label: Sequence[str]) -> str:
    """Return the columns of text and label as ``text='text', label='label'``."""
    shown_text = "text=" + "+".join(map(repr, text))
    return f"{shown_text}, label={'+'.join(map(repr, label))}" if label else shown_text
