"""The models of a server by name; a reload puts all of them in place at once."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from textcnn.errors import ArtifactError, ConfigError
from textcnn.explain.explainer import Explainer
from textcnn.folder.config_json import read_config
from textcnn.prediction.answers import Answerer, answers_of
from textcnn.prediction.predictor import Predictor
from textcnn.runtime.one_layer import refusal
from textcnn.serve.settings import ModelSource

FEW = 8  # texts up to which look-up answers faster one by one than together
QUICK_CHARACTERS = 2_000  # of all texts of a request that is answered sooner than a thread would wake up
EXPLAINED = 10  # n-grams and words of each row, as `classify --explain` lists them


@dataclass(frozen=True)
class Question:
    """What is asked of texts beside their label.

    Attributes:
        top_k: list that many labels.
        threshold: instead of the model's own (multi-label).
        explain: empty, ``predicted`` (the strongest reasons of that label), ``all`` (of all labels), or ``full``
            (every reason of the predicted label).
    """

    top_k: int | None = None
    threshold: float | None = None
    explain: str = ""


class ServedModel:
    """A predictor under its name. Texts are answered by one thread at a time."""

    def __init__(self, name: str, predictor: Predictor) -> None:
        self.name, self.predictor = name, predictor
        self._is_lookup = predictor.runtime.name == "look-up"
        self._explainers: dict[str, Explainer] = {}

    def check(self, question: Question) -> None:
        """Find out before texts of several requests are joined whether this one can be answered.

        Raises:
            ConfigError: a threshold for a single-label model, or reasons of an int8 model.
        """
        self.predictor.thresholds(question.threshold)
        if question.explain:
            self._explainer(question.explain)

    def is_quick(self, texts: Sequence[str], question: Question) -> bool:
        """Whether the answer takes so little time that nobody else need do it."""
        if question.explain or not self._is_lookup or len(texts) > FEW:
            return False
        return sum(map(len, texts)) <= QUICK_CHARACTERS

    def rows(self, texts: Sequence[str], question: Question) -> list[dict[str, Any]]:
        """One row for each text, as `classify` writes them."""
        if question.explain or not self._is_lookup or len(texts) > FEW:
            return self._rows(texts, question)
        return [row for text in texts for row in self._rows([text], question)]

    def _rows(self, texts: Sequence[str], question: Question) -> list[dict[str, Any]]:
        answerer: Answerer = self._explainer(question.explain) if question.explain else self.predictor
        answers = answerer.answer(texts, threshold=question.threshold)
        found = answers_of(answerer.labels, answers, top_k=question.top_k)
        return [{"text": text, **row} for text, row in zip(texts, found, strict=True)]

    def _explainer(self, explain: str) -> Explainer:
        if explain not in self._explainers:
            labels, top = ("predicted", None) if explain == "full" else (explain, EXPLAINED)
            self._explainers[explain] = Explainer(self.predictor, labels=labels, top=top)
        return self._explainers[explain]


class Models:
    """The models of a server; none until :meth:`load` has been called.

    Args:
        sources: where they are; the first is the default.
        precision: of all of them.
        threads: of the look-up runtime.
    """

    def __init__(self, sources: Sequence[ModelSource], *, precision: str = "float32", threads: int = 1) -> None:
        self.sources, self._precision, self._threads = tuple(sources), precision, threads
        self._current: Mapping[str, ServedModel] = {}

    @property
    def are_loaded(self) -> bool:
        """Whether there is anything to answer with."""
        return bool(self._current)

    def get(self, name: str | None) -> ServedModel | None:
        """The model of that name, or the first; none: there is none."""
        return self._current.get(self.sources[0].name if name is None else name)

    def check(self) -> None:
        """Find out quickly whether they can be loaded; weights are not read.

        Raises:
            ArtifactError: a folder is not there or not whole.
        """
        for source in self.sources:
            read_config(source.folder)

    def load(self) -> None:
        """Read all models, and only then let them take the place of those there were.

        Requests that are being answered keep the model they began with.

        Raises:
            ArtifactError: a folder is not there, not whole, or of an image model; nothing has changed.
            ConfigError: the precision is not for one of the models.
        """
        gc.collect()  # what is left of a load that failed
        self._current = {source.name: self._loaded(source) for source in self.sources}
        # The models there were refer to themselves, and would stay until Python looks for such by itself: rarely.
        gc.collect()

    def _loaded(self, source: ModelSource) -> ServedModel:
        predictor = self._predictor(source.folder)
        predictor.text_inputs()
        served = ServedModel(source.name, predictor)
        can_explain = predictor.runtime.name == "look-up" and self._precision == "float32"
        # The first answer fills memories that the second takes the short way through.
        for question in (Question(), Question(), *([Question(explain="full")] if can_explain else [])):
            served.rows(["warm"], question)
        return served

    def _predictor(self, folder: Path) -> Predictor:
        """Loaded from a copy: weights are mapped, and a file that is written over would change under the answers."""
        saved = read_config(folder)  # what is missing is said before anything is copied
        # Not `auto`: that would read a damaged model a second time, by torch, which then stays in memory.
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
                return Predictor.load(copy, runtime=runtime, precision=self._precision, threads=self._threads)
            except (ArtifactError, ConfigError) as err:
                raise type(err)(str(err).replace(str(copy), str(folder))) from err
