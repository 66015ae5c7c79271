"""The kinds of teachers: files of probabilities, functions, models of this package and of transformers, encoders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from textcnn.config import DataConfig
from textcnn.errors import ArtifactError, ConfigError, DataError, import_extra
from textcnn.folder.hub import pretrained_folder
from textcnn.labels import Labels
from textcnn.prediction.predictor import Predictor
from textcnn.reading.soft_files import SoftFile, read_soft_file
from textcnn.reading.soft_labels import TOLERANCE
from textcnn.teacher.encoder import ENCODER_PREFIX, EXTRA, PACKAGED, Floats, Head, encoder_teacher, is_encoder, quiet


class Teacher(Protocol):
    """Interface of what answers for texts."""

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def key(self) -> str | None:
        """Name in the cache; none: its answers are not kept."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its labels; empty: those of the rows."""

    @property
    def is_fitted(self) -> bool:
        """Whether :meth:`fit` learns from labelled rows, so that answers to these must be out of fold."""

    @property
    def measure(self) -> Callable[[Sequence[str]], Floats]:
        """Function from texts to what the teacher says of them, ``(N, W)``, which the cache stores."""

    def fit(self, values: Floats, truth: Sequence[tuple[str, ...]], labels: Labels) -> Head:
        """Return how that becomes the probabilities ``(N, C)`` of these labels."""


@dataclass(frozen=True)
class AnsweringTeacher:
    """A teacher that answers with probabilities; :class:`Teacher` has the attributes."""

    name: str
    key: str | None
    names: tuple[str, ...]
    answer: Callable[[Sequence[str]], Any]
    is_fitted: bool = False

    def measure(self, texts: Sequence[str]) -> Floats:
        """Return the answers ``(N, C)``."""
        return np.asarray(self.answer(texts), np.float32)

    def fit(self, values: Floats, truth: Sequence[tuple[str, ...]], labels: Labels) -> Head:
        """Return the function that puts the columns into the order of the labels."""
        columns = [labels.names.index(name) for name in self.names]

        def head(answers: Floats) -> Floats:
            found = np.zeros((len(answers), len(labels)), np.float32)
            found[:, columns] = answers
            return found

        return head


def check_answers(answers: npt.NDArray[Any], teacher: Teacher, *, multi_label: bool) -> None:
    """Raise an error for the first row of answers that are no probabilities.

    Raises:
        DataError: another number of columns than labels, a number outside of [0, 1], or a sum that is not 1.
    """
    if teacher.names and answers.shape[1] != len(teacher.names):
        raise DataError(
            f"expected {len(teacher.names)} probabilities a row from the teacher {teacher.name}, one for each label, "
            f"found {answers.shape[1]} in row 1"
        )
    inside = ((answers >= 0) & (answers <= 1)).all(axis=1)
    what = "probabilities between 0 and 1"
    if not multi_label:
        inside &= np.abs(answers.sum(axis=1) - 1) <= TOLERANCE
        what += " that sum to 1"
    if not inside.all():
        row = int(np.flatnonzero(~inside)[0])
        shown = ", ".join(f"{value:.3g}" for value in answers[row, :8].tolist())
        raise DataError(f"expected {what} from the teacher {teacher.name}, found {shown} in row {row + 1}")


def find_teacher(given: Any, labels: Sequence[str], data: DataConfig) -> Teacher | SoftFile:
    """Return a teacher by what the user gave, or the file of its answers.

    Args:
        given: a function, a file of probabilities, ``encoder``, ``encoder:NAME``, or the folder or id of a model.
        labels: the labels of the rows, which are the columns of a function's answers.
        data: how files are read.

    Raises:
        ConfigError: it is none of these.
        DataError: a file of probabilities has none.
        MissingExtraError: it needs packages that are not installed.
    """
    if callable(given):
        names = tuple(map(str, getattr(given, "labels", labels)))
        return AnsweringTeacher(getattr(given, "__name__", "function"), getattr(given, "key", None), names, given)
    name = str(given)
    if is_encoder(name):
        return encoder_teacher(name)
    if Path(name).is_file():
        return read_soft_file(name, data)
    try:
        folder = pretrained_folder(name)
    except ArtifactError as err:
        raise ConfigError(f"teacher is {name!r}: {err}") from err
    if not folder.is_dir():
        raise ConfigError(
            f"teacher is {name!r}, expected `{PACKAGED}`, `{ENCODER_PREFIX}NAME`, a file of probabilities, or the "
            "folder or hub id of a model"
        )
    return _model_teacher(folder, name)


def _model_teacher(folder: Path, name: str) -> Teacher:
    """Return the model of this package or of transformers in a folder."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise ConfigError(f"teacher is {name!r}, expected a model in the folder, found no config.json: {err}") from err
    kinds = config.get("architectures") or []
    if any(kind.endswith("ForSequenceClassification") for kind in kinds):
        return _transformers_teacher(folder, name, config)
    if kinds:
        return encoder_teacher(name)
    predictor = Predictor.load(folder)
    return AnsweringTeacher(
        name, _digest(folder), tuple(predictor.labels.names), lambda texts: predictor.predict_proba(list(texts))
    )


def _transformers_teacher(folder: Path, name: str, config: dict[str, Any]) -> AnsweringTeacher:
    """Return a text classifier of the package transformers."""
    import torch

    library = import_extra("transformers", extra=EXTRA, feature="a model of transformers")
    quiet()
    tokenizer = library.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    model = library.AutoModelForSequenceClassification.from_pretrained(str(folder), local_files_only=True).eval()
    names = tuple(str(model.config.id2label[place]) for place in range(model.config.num_labels))
    is_multi_label = config.get("problem_type") == "multi_label_classification"
    longest = min(getattr(model.config, "max_position_embeddings", 512) or 512, tokenizer.model_max_length)

    @torch.no_grad()
    def answer(texts: Sequence[str]) -> Floats:
        found = []
        for start in range(0, len(texts), 32):
            part = list(texts[start : start + 32])
            batch = tokenizer(part, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            logits = model(**batch).logits.float()
            found.append((logits.sigmoid() if is_multi_label else logits.softmax(1)).numpy())
        return np.concatenate(found)

    return AnsweringTeacher(name, _digest(folder), names, answer)


def _digest(folder: Path) -> str:
    """Return a digest of all files of a folder, by which its answers are kept."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            found.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
