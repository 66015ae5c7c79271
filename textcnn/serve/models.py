"""Loads the models of a server; a reload replaces all of them at once."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from textcnn.errors import ArtifactError, ConfigError
from textcnn.evaluation.promises import Promise, promised_least
from textcnn.explain.explainer import Explainer
from textcnn.folder.config_json import read_config
from textcnn.prediction.answers import Answerer, answers_of
from textcnn.prediction.predictor import Predictor
from textcnn.prediction.strangers import StrangerModel
from textcnn.runtime.one_layer import refusal
from textcnn.serve.settings import ModelSource

FEW = 8  # up to this many texts, the look-up runtime is faster text by text than on a batch
QUICK_CHARACTERS = 2_000  # a request with fewer characters takes less time than waking a thread
MOST_PROMISES = 64  # thresholds that are remembered by what was asked
EXPLAINED = 10  # n-grams and words listed per row, as in `classify --explain`


@dataclass(frozen=True)
class Question:
    """The options of a request to classify.

    Attributes:
        top_k: the number of labels to list; none: no list.
        threshold: one threshold for all labels, instead of the model's own (multi-label).
        explain: empty, ``predicted`` (the strongest attributions of the predicted label), ``all`` (of all labels), or
            ``full`` (every attribution of the predicted label).
        none_of_these: the share of rows like the held-out ones that is not flagged; none: no flags.
        min_probability: the probability below which a row is flagged ``unsure``; none: no flags.
        min_accuracy: in its place, the share of the other answers that are to be right, by held-out rows.
    """

    top_k: int | None = None
    threshold: float | None = None
    explain: str = ""
    none_of_these: float | None = None
    min_probability: float | None = None
    min_accuracy: float | None = None


class ServedModel:
    """A predictor with its name on the server; it is not thread-safe."""

    def __init__(self, name: str, predictor: Predictor) -> None:
        self.name, self.predictor = name, predictor
        self._is_lookup = predictor.runtime.name == "look-up"
        self._explainers: dict[str, Explainer] = {}
        self._strangers: StrangerModel | None = None
        self._least: dict[tuple[float | None, float | None], float] = {}

    def check(self, question: Question) -> None:
        """Check that the model supports the options, before texts of several requests are batched.

        Raises:
            ConfigError: a threshold for a single-label model, a list of labels of a model of numbers, an explanation by
                an int8 model, or a model that cannot tell texts of none of its labels, or how right its answers are.
        """
        self.predictor.thresholds(question.threshold)
        if question.top_k is not None:
            self.predictor.labels.require_labels("top_k")
        if question.explain:
            self._explainer(question.explain)
        self._promise(question)
        if question.none_of_these is not None and self._strangers is None:
            self._strangers = StrangerModel(self.predictor)

    def is_quick(self, texts: Sequence[str], question: Question) -> bool:
        """Whether the texts take so little time that the caller should classify them itself."""
        if question.explain or not self._is_lookup or len(texts) > FEW:
            return False
        return sum(map(len, texts)) <= QUICK_CHARACTERS

    def rows(self, texts: Sequence[str], question: Question) -> list[dict[str, Any]]:
        """Classify texts and return one row for each, as `textcnn classify` writes them."""
        if question.explain or not self._is_lookup or len(texts) > FEW:
            return self._rows(texts, question)
        return [row for text in texts for row in self._rows([text], question)]

    def _rows(self, texts: Sequence[str], question: Question) -> list[dict[str, Any]]:
        promise = self._promise(question)
        answerer: Answerer = self._explainer(question.explain, promise) if question.explain else self.predictor
        answers = answerer.answer(texts, threshold=question.threshold)
        if question.none_of_these is not None and self._strangers is not None:
            answers = answers.marked(strange=self._strangers.strange(texts, question.none_of_these))
        found = answers_of(answerer.labels, answers, top_k=question.top_k, promise=promise)
        return [{"text": text, **row} for text, row in zip(texts, found, strict=True)]

    def _promise(self, question: Question) -> Promise | None:
        asked = question.min_probability, question.min_accuracy
        if asked == (None, None):
            return None
        if asked not in self._least:
            if len(self._least) == MOST_PROMISES:
                self._least.clear()
            self._least[asked] = promised_least(self.predictor.held_out, self.predictor.labels, *asked)
        return Promise(self._least[asked])

    def _explainer(self, explain: str, promise: Promise | None = None) -> Explainer:
        labels, top = ("predicted", None) if explain == "full" else (explain, EXPLAINED)
        if promise is not None and self.predictor.labels.tree is not None:
            return Explainer(self.predictor, labels=labels, top=top, promise=promise)
        if explain not in self._explainers:
            self._explainers[explain] = Explainer(self.predictor, labels=labels, top=top)
        return self._explainers[explain]


class Models:
    """The models of a server, which :meth:`load` loads.

    Args:
        sources: the names and folders of the models; the first is the default.
        precision: the precision of all models.
        threads: the number of threads of the look-up runtime.
    """

    def __init__(self, sources: Sequence[ModelSource], *, precision: str = "float32", threads: int = 1) -> None:
        self.sources, self._precision, self._threads = tuple(sources), precision, threads
        self._current: Mapping[str, ServedModel] = {}

    @property
    def are_loaded(self) -> bool:
        """Whether the models have been loaded."""
        return bool(self._current)

    def get(self, name: str | None) -> ServedModel | None:
        """Return the model of that name, or the default model; none if there is no such model."""
        return self._current.get(self.sources[0].name if name is None else name)

    def check(self) -> None:
        """Check quickly that the models can be loaded, without reading weights.

        Raises:
            ArtifactError: a folder is missing or incomplete.
        """
        for source in self.sources:
            read_config(source.folder)

    def load(self) -> None:
        """Load all models, and replace the current ones only when all are loaded.

        Requests in progress keep the model that they began with.

        Raises:
            ArtifactError: a folder is missing, incomplete or of an image model; the current models stay in place.
            ConfigError: a model does not allow the precision.
        """
        gc.collect()  # frees what a failed load has left
        self._current = {source.name: self._loaded(source) for source in self.sources}
        # The old models are in reference cycles, which Python itself would collect only after a long time.
        gc.collect()

    def _loaded(self, source: ModelSource) -> ServedModel:
        predictor = self._predictor(source.folder)
        predictor.text_inputs()
        served = ServedModel(source.name, predictor)
        can_explain = predictor.runtime.name == "look-up" and self._precision == "float32"
        # Warm up: the first call fills the caches, and the second sets up the fast path of single texts.
        for question in (Question(), Question(), *([Question(explain="full")] if can_explain else [])):
            served.rows(["warm"], question)
        return served

    def _predictor(self, folder: Path) -> Predictor:
        """Load a model from a temporary copy of its folder."""
        # Weights are memory-mapped: a file that is overwritten in place would change the answers of a running server.
        saved = read_config(folder)  # a missing file is reported before anything is copied
        # Not `auto`: that would load a damaged model a second time with torch, which then stays in memory.
        runtime = "auto" if refusal(saved) else "look-up"
        with TemporaryDirectory(prefix="textcnn-", ignore_cleanup_errors=True) as place:
            copy = Path(place) / folder.name
            try:
                copy.mkdir()
                for path in folder.iterdir():
                    if path.is_file():
                        shutil.copyfile(path, copy / path.name)
            except OSError as err:
                raise ArtifactError(f"{folder}: expected a model folder that can be copied: {err}") from err
            try:
                how: dict[str, Any] = {"precision": self._precision, "threads": self._threads}
                predictor = Predictor.load(copy, runtime=runtime, **how)
                _ = predictor.held_out  # reads the file while the copy is there
                return predictor
            except (ArtifactError, ConfigError) as err:
                raise type(err)(str(err).replace(str(copy), str(folder))) from err
