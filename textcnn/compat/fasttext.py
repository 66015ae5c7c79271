"""fastText's Python interface for supervised models: ``import textcnn.compat.fasttext as fasttext``.

Calls, shapes and labels (``__label__x``) are those of the package ``fasttext``; the model is this package's, so its
numbers are others. Which arguments are mapped, ignored or refused is in docs/from-fasttext.md.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.api import train
from textcnn.compat.fasttext_arguments import TUNING_SECONDS, FastTextError, renamed, settings_of
from textcnn.compat.fasttext_lines import read_lines, rows_to_train
from textcnn.errors import TextCNNError, warn_of_data
from textcnn.evaluation.calibration import Floats
from textcnn.folder.config_json import read_json
from textcnn.folder.hub import model_folder
from textcnn.folder.model_folder import TRAINING
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Telling
from textcnn.reading.formats import BLANKS, LABEL, split_line
from textcnn.reading.messages import counted
from textcnn.reading.rows import Examples
from textcnn.runtime.cache import TypeVectors
from textcnn.runtime.lookup import LookupModel
from textcnn.runtime.text_model import Answering
from textcnn.tokenization.tokenizer import PAD, UNKNOWN

Vector = npt.NDArray[np.float32]

EOS = "</s>"
MAGIC = (793712314).to_bytes(4, "little")  # at the start of fastText's .bin and .ftz files
_KEY = "fasttext"  # of training.json: what this module adds to it
_BATCH = 4096  # texts measured at once
_ONE_LINE = "predict processes one line at a time (remove '\\n')"
_ABSENT = {  # methods of fastText's models, and what to do instead
    "quantize": "save the model and run: textcnn export MODEL --max-size 2M -o SMALL",
    "get_nearest_neighbors": "compare get_word_vector of the words in model.words",
    "get_analogies": "compare get_word_vector of the words in model.words",
    "get_subwords": "the character n-grams have no names; get_word_vector composes unseen words of them",
    "get_subword_id": "the character n-grams have no names; get_word_vector composes unseen words of them",
    "get_input_vector": "take get_word_vector",
    "get_input_matrix": "read model.safetensors in the saved folder",
    "get_output_matrix": "read model.safetensors in the saved folder",
    "set_matrices": "the weights are those of the saved folder",
    "get_line": "textcnn.reading.formats.split_line parts labels and text",
    "get_meter": "textcnn evaluate and textcnn report measure precision and recall over thresholds",
}


def train_supervised(
    input: str | Path,
    lr: float | None = None,
    dim: int | None = None,
    ws: int | None = None,
    epoch: int | None = None,
    minCount: int | None = None,
    minCountLabel: int | None = None,
    minn: int | None = None,
    maxn: int | None = None,
    neg: int | None = None,
    wordNgrams: int | None = None,
    loss: str | None = None,
    bucket: int | None = None,
    thread: int | None = None,
    lrUpdateRate: int | None = None,
    t: float | None = None,
    label: str | None = None,
    verbose: int | None = None,
    pretrainedVectors: str | None = None,
    seed: int | None = None,
    autotuneValidationFile: str | None = None,
    autotuneMetric: str | None = None,
    autotunePredictions: int | None = None,
    autotuneDuration: int | None = None,
    autotuneModelSize: str | int | None = None,
    **aliases: Any,
) -> FastText:
    """Train a text classifier on a file of ``__label__`` lines, and return it.

    The arguments and their order are fastText's; docs/from-fasttext.md says what each does here. Those that are not
    given have this package's defaults. One warning names all that have no effect, or another one.

    Raises:
        TypeError: an argument that fastText does not have.
        FastTextError: the file cannot be read, or settings are out of range.
        KeyboardInterrupt: training was interrupted.
    """
    given = renamed({name: value for name, value in locals().items() if name not in ("input", "aliases")}, aliases)
    settings, told = settings_of(given)
    if told:
        warnings.warn(f"textcnn.compat.fasttext: {told}", UserWarning, stacklevel=2)
    prefix = given.get("label", LABEL)
    with _value_errors():
        rows = rows_to_train(input, prefix, multi_label=settings["multi_label"])
        validation = given.get("autotuneValidationFile")
        if validation is None:
            predictor = train(rows, **settings)
        else:
            dev = rows_to_train(validation, prefix, multi_label=settings["multi_label"])
            predictor = _tuned(rows, dev, settings, given.get("autotuneDuration", TUNING_SECONDS))
    predictor.artifact.training[_KEY] = {"label": prefix}
    return FastText(predictor, predictor.artifact.training)


def load_model(path: str | Path) -> FastText:
    """Load a model from the folder that ``save_model`` or ``textcnn train`` wrote, or from ``hf://owner/name``.

    Raises:
        FastTextError: there is no such model, or it is one of fastText's own files.
    """
    with _value_errors():
        folder = model_folder(path)
        if folder.is_file():
            raise FastTextError(_no_folder(folder))
        return FastText(Predictor.load(folder), read_json(folder / TRAINING))


def train_unsupervised(*args: Any, **kwargs: Any) -> FastText:
    """Refuse to train word vectors, which this package only reads.

    Raises:
        FastTextError: always.
    """
    raise FastTextError(
        "textcnn does not train word vectors on texts without labels; train them with fastText or gensim, and give "
        "the .vec file to train_supervised as pretrainedVectors"
    )


def tokenize(text: str) -> list[str]:
    """Split a text at blanks, as fastText does; a line end becomes ``</s>``."""
    return [EOS if word == "\n" else word for word in re.findall(rf"\n|[^{BLANKS}]+", text)]


class FastText:
    """A trained classifier with the methods of fastText's supervised models.

    Words are read as the model reads them: its default tokenizer folds case and parts punctuation. None is ``</s>``.

    Args:
        predictor: the trained model.
        training: the contents of its training.json.

    Attributes:
        predictor: the :class:`textcnn.Predictor`, for all that fastText does not have, such as ``explain``.
    """

    def __init__(self, predictor: Predictor, training: Mapping[str, Any]) -> None:
        self.predictor = predictor
        self._model: Answering = predictor.lookup() or predictor
        self._prefix = str(training.get(_KEY, {}).get("label", LABEL))
        counts = training.get("data", {}).get("labels", {})
        self._names = [self._prefix + name for name in self._model.labels.names]
        self._label_counts = [int(counts.get(name, 0)) for name in self._model.labels.names]

    def predict(
        self, text: str | list[str], k: int = 1, threshold: float = 0.0, on_unicode_error: str = "strict"
    ) -> tuple[Any, Any]:
        """Return the k most probable labels and their probabilities: of a list of texts, a list of each.

        Args:
            text: one line, or a list of lines. Words with the prefix of labels are left out, as in fastText.
            k: the number of labels; -1: all.
            threshold: the least probability of a label.
            on_unicode_error: has no effect, since all labels are valid Unicode.

        Returns:
            For a str a tuple of labels and a float64 array; for a list a list of lists and a list of float32 arrays.

        Raises:
            ValueError: a line end in a text, or k is neither positive nor -1.
            TypeError: ``text`` is neither a str nor a list.
        """
        rows = self._predict(text if isinstance(text, list) else [text], k, threshold)
        if isinstance(text, list):
            return [names for names, _ in rows], [values.astype(np.float32) for _, values in rows]
        return tuple(rows[0][0]), rows[0][1]

    def _predict(self, lines: list[str], k: int, threshold: float) -> list[tuple[list[str], Floats]]:
        found = []
        for probs, best in self._answers([self._text(line) for line in lines], k):
            for row, places in zip(probs, best, strict=True):
                kept = places[row[places] >= threshold]
                found.append(([self._names[place] for place in kept.tolist()], row[kept]))
        return found

    def _answers(self, texts: Iterable[str], k: int) -> Iterator[tuple[Floats, npt.NDArray[np.int64]]]:
        """Yield, batch by batch, the probabilities ``(B, C)`` and the columns ``(B, k)`` of the k largest."""
        num_labels = len(self._model.labels)
        if k < 1 and k != -1:
            raise FastTextError("k needs to be 1 or higher!")
        k, texts = num_labels if k == -1 else k, iter(texts)
        while batch := list(islice(texts, _BATCH)):
            probs = self._model.answer(batch).probabilities
            yield probs, np.argsort(-probs, axis=1, kind="stable")[:, :k]

    def _text(self, line: str) -> str:
        if not isinstance(line, str):
            raise TypeError(f"expected a str, or a list of them, got {type(line).__name__}")
        if "\n" in line:
            raise FastTextError(_ONE_LINE)
        return split_line(line, self._prefix)[1]

    def test(self, path: str | Path, k: int = 1, threshold: float = 0.0) -> tuple[int, float, float]:
        """Return the number of lines with a known label, and the precision and recall of the k most probable labels.

        Raises:
            FastTextError: the file cannot be read.
        """
        size, given, wanted, hits = self._counted(path, k, threshold)
        return size, _ratio(hits.sum(), given.sum()), _ratio(hits.sum(), wanted.sum())

    def test_label(self, path: str | Path, k: int = 1, threshold: float = 0.0) -> dict[str, dict[str, float]]:
        """Return ``precision``, ``recall`` and ``f1score`` of every label.

        Raises:
            FastTextError: the file cannot be read.
        """
        _, given, wanted, hits = self._counted(path, k, threshold)
        return {
            name: {
                "precision": _ratio(hits[i], given[i]),
                "recall": _ratio(hits[i], wanted[i]),
                "f1score": _ratio(2 * hits[i], given[i] + wanted[i]),
            }
            for i, name in enumerate(self._names)
        }

    def _counted(self, path: str | Path, k: int, threshold: float) -> tuple[int, Any, Any, Any]:
        """Return the number of lines measured, and for each label how often it is given, wanted, and both."""
        with _value_errors():
            rows = read_lines(path, self._prefix)
        index = {name: i for i, name in enumerate(self._model.labels.names)}
        known = [i for i, names in enumerate(rows.labels) if any(name in index for name in names)]
        if unseen := len(rows) - len(known):
            warn_of_data(f"{counted(unseen, 'line')} without a label of the training data left out, as fastText does")
        rows, start = rows.subset(known), 0
        given, wanted, hits = np.zeros((3, len(index)), np.int64)
        for probs, best in self._answers(rows.texts, k):
            is_given, is_wanted = np.zeros((2, *probs.shape), np.bool_)
            np.put_along_axis(is_given, best, np.take_along_axis(probs, best, 1) >= threshold, 1)
            for row, names in enumerate(rows.labels[start : start + len(probs)]):
                is_wanted[row, [index[name] for name in names if name in index]] = True
            start += len(probs)
            given += is_given.sum(0)
            wanted += is_wanted.sum(0)
            hits += (is_given & is_wanted).sum(0)
        return len(rows), given, wanted, hits

    def get_labels(self, include_freq: bool = False, on_unicode_error: str = "strict") -> Any:
        """Return the labels, the most frequent first; with ``include_freq`` also an array of their counts."""
        order = np.argsort(-np.array(self._label_counts), kind="stable")
        labels = [self._names[place] for place in order.tolist()]
        return (labels, np.array(self._label_counts)[order]) if include_freq else labels

    def get_words(self, include_freq: bool = False, on_unicode_error: str = "strict") -> list[str]:
        """Return the words of the vocabulary, the most frequent first.

        Raises:
            FastTextError: ``include_freq``, since the counts of words are not kept.
        """
        if include_freq:
            raise FastTextError("the model keeps its words in the order of their frequency, but not the counts")
        return [word for word in self._model.text_inputs().tokenizer.types() if word not in ("", PAD, UNKNOWN)]

    @cached_property
    def words(self) -> list[str]:
        """The words of the vocabulary, the most frequent first."""
        return self.get_words()

    @cached_property
    def labels(self) -> list[str]:
        """The labels, the most frequent first."""
        return list(self.get_labels())

    @cached_property
    def _word_ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def get_word_id(self, word: str) -> int:
        """Return the position of a word in :attr:`words`; -1 if the vocabulary does not have it."""
        if word not in self._word_ids:
            word = self._model.text_inputs().tokenizer.type_of(word) or ""
        return self._word_ids.get(word, -1)

    def get_label_id(self, label: str) -> int:
        """Return the position of a label in :attr:`labels`; -1 if there is no such label."""
        return self.labels.index(label) if label in self.labels else -1

    def get_dimension(self) -> int:
        """Return the length of a word vector."""
        return self._vectors.tables.dim

    def get_word_vector(self, word: str) -> Vector:
        """Return the vector ``(D,)`` of a word, as the model reads it; an unseen one is composed of its n-grams."""
        return self._mean_vector(word)

    def get_sentence_vector(self, text: str) -> Vector:
        """Return the mean ``(D,)`` of the vectors of a text's words.

        Raises:
            ValueError: a line end in the text.
        """
        return self._mean_vector(self._text(text))

    @cached_property
    def _vectors(self) -> TypeVectors:
        if isinstance(self._model, LookupModel):
            return self._model.model.vectors
        artifact = self.predictor.artifact
        return TypeVectors(artifact.weights, artifact.text_inputs().lexicon, adds=artifact.config.vectors is not None)

    def _mean_vector(self, text: str) -> Vector:
        encoded = self._model.text_inputs().encode([text])
        types, counts = np.unique(encoded.ids.astype(np.int64), return_counts=True)
        total = counts @ self._vectors(types, encoded.unseen)
        return np.asarray(total / max(len(encoded.ids), 1), np.float32)

    def is_quantized(self) -> bool:
        """Return false: no model of this package is a .ftz file."""
        return False

    def save_model(self, path: str | Path) -> None:
        """Write the model folder, whatever the path is called; ``load_model`` and ``textcnn`` read it.

        Raises:
            FastTextError: the folder cannot be written, or something other than a model is there.
        """
        with _value_errors():
            self.predictor.save(path)

    def __getitem__(self, word: str) -> Vector:
        return self.get_word_vector(word)

    def __contains__(self, word: str) -> bool:
        return self.get_word_id(word) >= 0

    def __getattr__(self, name: str) -> Any:
        if name in _ABSENT:
            raise AttributeError(f"textcnn.compat.fasttext has no {name}: {_ABSENT[name]}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _tuned(rows: Examples, dev: Examples, settings: Mapping[str, Any], seconds: float) -> Predictor:
    from textcnn.tuning import tune

    run = tune(rows, settings, seconds, Telling(), dev=dev).run
    if run.stopped == "interrupted":
        raise KeyboardInterrupt
    return run.predictor


@contextmanager
def _value_errors() -> Iterator[None]:
    """Raise errors of this package as :class:`FastTextError`, which is a ``ValueError`` as fastText's are."""
    try:
        yield
    except FastTextError:
        raise
    except TextCNNError as err:
        raise FastTextError(str(err)) from err


def _no_folder(path: Path) -> str:
    with path.open("rb") as file:
        is_fasttext = file.read(len(MAGIC)) == MAGIC
    if is_fasttext:
        return (
            f"{path} is a model of fastText (.bin or .ftz), which textcnn does not read; train again on the file it "
            f"was trained on: textcnn.compat.fasttext.train_supervised, or textcnn train FILE -o MODEL"
        )
    return f"{path} has wrong file format! Expected the folder that save_model wrote"


def _ratio(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else float("nan")
