"""Labelled rows, unlabelled texts and what a teacher says of both, as training rows with distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import DataConfig
from textcnn.errors import ConfigError, DataError
from textcnn.labels import Labels
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples
from textcnn.reading.soft_files import SoftFile
from textcnn.reading.soft_labels import SoftLabels, is_given
from textcnn.teacher.cache import AnswerCache
from textcnn.teacher.encoder import Floats, Head
from textcnn.teacher.teachers import AnsweringTeacher, Teacher, check_answers, find_teacher
from textcnn.training.sampler import stratified_folds

Booleans = npt.NDArray[np.bool_]
NUM_FOLDS = 5  # of a teacher that is fitted to the rows it answers for


@dataclass(frozen=True)
class Lesson:
    """What a pupil is taught from.

    Attributes:
        teacher: answers for texts.
        labels: of the pupil.
        texts: the texts without a label.
        values: what the teacher says of each text, ``(W,)``.
        seed: decides the folds in which a teacher is fitted.
    """

    teacher: Teacher
    labels: Labels
    texts: Sequence[str]
    values: dict[str, Floats]
    seed: int

    def answers(self, examples: Examples, texts: Sequence[str]) -> Floats:
        """Return the probabilities ``(N, C)`` of texts by the teacher, fitted to these rows where it is fitted at all.

        NaN where the teacher has no answer to a text.
        """
        if not len(texts):
            return np.zeros((0, len(self.labels)), np.float32)
        return self._head(examples)(self._values(texts))

    def teach(self, examples: Examples) -> Examples:
        """Return labelled rows with the teacher's distributions, followed by the texts without a label."""
        if not self.teacher.is_fitted:
            own, others = self.answers(examples, examples.texts), self.answers(examples, self.texts)
        else:
            own, others = self._out_of_fold(examples), self.answers(examples, self.texts)
        is_labelled = np.arange(len(own) + len(others)) < len(own)
        soft = SoftLabels(self.labels.names, np.concatenate([own, others]), is_labelled)
        multi_label = examples.multi_label
        likeliest = [soft.most_probable(row, multi_label=multi_label) for row in np.flatnonzero(~is_labelled).tolist()]
        weights = examples.weights
        if weights is not None:
            weights = np.concatenate([weights, np.full(len(others), weights.mean())])
        texts = [*examples.texts, *self.texts]
        return replace(examples, texts=texts, labels=[*examples.labels, *likeliest], weights=weights, soft=soft)

    def _out_of_fold(self, examples: Examples) -> Floats:
        """Return the answers to labelled rows, each by a teacher that was not fitted to it."""
        folds = stratified_folds(examples.labels, min(NUM_FOLDS, len(examples)), seed=self.seed)
        found = np.full((len(examples), len(self.labels)), np.nan, np.float32)
        for number in range(folds.max() + 1):
            held_out = np.flatnonzero(folds == number)
            rest = examples.subset(folds != number)
            if len(rest):
                found[held_out] = self.answers(rest, [examples.texts[row] for row in held_out.tolist()])
        return found

    def _head(self, examples: Examples) -> Head:
        is_fitted = self.teacher.is_fitted
        values = self._values(examples.texts) if is_fitted else np.zeros((0, 0), np.float32)
        return self.teacher.fit(values, examples.labels, self.labels)

    def _values(self, texts: Sequence[str]) -> Floats:
        width = len(next(iter(self.values.values())))
        absent = np.full(width, np.nan, np.float32)
        return np.array([self.values.get(text, absent) for text in texts], np.float32).reshape(len(texts), width)


def correct_answers(given: Any, examples: Examples, labels: Labels, data: DataConfig, reporter: Reporter) -> Booleans:
    """Return whether a teacher gives each row ``(N,)`` its label; a row that it does not answer counts as wrong.

    Args:
        given: as for :func:`textcnn.teacher.teachers.find_teacher`.
        examples: the labelled rows, of one label each.
        labels: those of the model whose answers the teacher's are compared with.
        data: how files are read.
        reporter: receives progress.

    Raises:
        ConfigError: there is no such teacher, or it is an encoder, which has no labels.
        DataError: it answers nonsense.
    """
    found = find_teacher(given, labels.names, data)
    if not isinstance(found, SoftFile) and found.is_fitted:
        raise ConfigError(
            f"teacher is {given!r}, a sentence encoder, which has no labels of its own; expected a file of "
            "probabilities, or the folder or hub id of a model"
        )
    lesson = read_lesson(found, examples, (), labels, 0, reporter)
    answers = lesson.answers(examples, examples.texts)
    is_answered = is_given(answers)
    correct: Booleans = answers.argmax(axis=1) == lesson.labels.encode(examples.labels)
    return correct & is_answered


def read_lesson(
    teacher: Teacher | SoftFile, examples: Examples, texts: Sequence[str], labels: Labels, seed: int, reporter: Reporter
) -> Lesson:
    """Ask the teacher about all texts, and return what it says.

    Args:
        teacher: the teacher, or the file of its answers; one with texts of its own has those without a label too.
        examples: the labelled rows.
        texts: the texts without a label.
        labels: the labels of the rows; those of the teacher are added.
        seed: decides folds.
        reporter: receives progress.

    Raises:
        DataError: there is no text without a label nor an answer to a row with one, or an answer is nonsense.
    """
    if isinstance(teacher, SoftFile):
        if teacher.texts is not None and not len(texts):
            texts = [text for text in dict.fromkeys(teacher.texts) if text not in {*examples.texts}]
        values = teacher.of_rows(examples.texts, texts)
        known: Teacher = AnsweringTeacher(teacher.path, None, teacher.names, lambda found: found)
    else:
        every = [*texts, *examples.texts]
        measured = AnswerCache(teacher.key).answers(every, teacher.measure, teacher.name, reporter)
        if not teacher.is_fitted:
            check_answers(measured, teacher, multi_label=labels.multi_label)
        values, known = dict(zip(every, measured, strict=True)), teacher
    if not values:
        raise DataError(f"expected answers of the teacher {known.name} to the rows, found none")
    union = Labels(tuple(sorted({*labels.names, *known.names})), labels.multi_label)
    return Lesson(known, union, texts, values, seed)
