"""The predictor: answers from a model, in the order it is asked, one answer a row, by the fastest runtime it allows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ArtifactError, ConfigError
from textcnn.folder.config_json import read_config
from textcnn.labels import Labels
from textcnn.reading.schema import Schema
from textcnn.runtime.cache import CACHE_BYTES
from textcnn.runtime.lookup import PRECISIONS, LookupModel
from textcnn.runtime.one_layer import refusal
from textcnn.runtime.text_model import Answering as Answering
from textcnn.runtime.text_model import Answers as Answers
from textcnn.runtime.text_model import Booleans, Measured, Runtime

if TYPE_CHECKING:
    from textcnn.explain.entries import Explanation
    from textcnn.prediction.artifact import Artifact

RUNTIMES = ("auto", "look-up", "torch")


class Predictor(Answering):
    """A trained model, ready to answer. ``textcnn.load(folder)`` gives one.

    Made from an artifact that has its network, it answers with the network itself, in torch: the definition. Loaded
    from a folder, or made from an artifact of weights alone, it answers by look-up where the model allows it, and
    imports torch only if somebody asks for the network.
    """

    def __init__(self, artifact: Artifact) -> None:
        self._artifact: Artifact | None = artifact
        self._folder: Path | None = None
        self._made: LookupModel | None = None
        reason = "made from an artifact in memory" if artifact.has_network else artifact.lookup_refusal
        self.runtime = Runtime("torch", reason) if reason else Runtime("look-up")

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        runtime: str = "auto",
        precision: str = "float32",
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> Predictor:
        """Read a model folder.

        Args:
            folder: as ``train`` wrote it.
            runtime: ``look-up``, ``torch``, or ``auto``: look-up where the model allows it.
            precision: ``float32``, or ``int8`` (look-up alone): integer logits, and answers that are certified.
            threads: of the look-up runtime; none: all cores.
            cache_bytes: likewise, memory for the rows of types.

        Raises:
            ArtifactError: it is not there, or not whole, or has no look-up runtime where that was asked for.
            ConfigError: a runtime or precision that there is not, or that the model does not allow.
        """
        if runtime not in RUNTIMES:
            raise ConfigError(f"runtime must be one of {', '.join(RUNTIMES)}, got {runtime!r}")
        if precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        folder = Path(folder)
        saved = read_config(folder)
        reason = "it was asked for" if runtime == "torch" else refusal(saved)
        if reason and (precision == "int8" or runtime == "look-up"):
            wanted = "precision 'int8'" if precision == "int8" else "runtime 'look-up'"
            raise ConfigError(f"{wanted} needs the look-up runtime, which {str(folder)!r} does not have: {reason}")
        if not reason:
            try:
                return cls._of(
                    LookupModel.load(folder, precision=precision, threads=threads, cache_bytes=cache_bytes), folder
                )
            except ArtifactError as err:
                if runtime == "look-up" or precision == "int8":
                    raise
                reason = str(err)
        from textcnn.prediction.artifact import load_artifact

        predictor = cls(load_artifact(folder))
        predictor.runtime = Runtime("torch", reason)
        return predictor

    @classmethod
    def _of(cls, lookup: LookupModel, folder: Path) -> Predictor:
        predictor = cls.__new__(cls)
        predictor._artifact, predictor._folder, predictor._made = None, folder, lookup
        predictor.runtime = Runtime("look-up")
        return predictor

    def __getstate__(self) -> dict[str, Any]:
        """All that answers needs goes along; what reads the folder again (``artifact``, ``save``) does so there."""
        return {**self.__dict__, "_folder": None if self._folder is None else self._folder.absolute()}

    @property
    def _lookup(self) -> LookupModel | None:
        """The look-up runtime, where it answers; of an artifact it is made for the first answer."""
        if self._made is None and self._artifact is not None and self.runtime.name == "look-up":
            self._made = self._artifact.lookup()
        return self._made

    @property
    def artifact(self) -> Artifact:
        """The network and all about it. A model answered by look-up is read a second time for it, with torch.

        Raises:
            ArtifactError: the folder is not whole any more.
        """
        if self._artifact is None:
            from textcnn.prediction.artifact import load_artifact

            assert self._folder is not None
            self._artifact = load_artifact(self._folder)
        return self._artifact

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, whole or not at all.

        Raises:
            ArtifactError: the place cannot be written.
        """
        return self.artifact.save(folder)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, runtime: str = "auto", precision: str = "float32"
    ) -> Predictor:
        """A model of the Hugging Face hub, or of a folder.

        Args:
            name: ``owner/name`` or ``hf://owner/name``; a folder of that name goes before it.
            revision: branch, tag or commit; none: the newest.
            runtime: as in :meth:`load`.
            precision: as in :meth:`load`.

        Raises:
            ArtifactError: there is no such model, it is not whole, or neither hub nor cache has it.
            ConfigError: as for :meth:`load`; a revision of a folder.
            MissingExtraError: huggingface_hub is not installed.
        """
        from textcnn.folder.hub import pretrained_folder

        return cls.load(pretrained_folder(name, revision), runtime=runtime, precision=precision)

    def push_to_hub(self, repo_id: str, *, private: bool = True, message: str | None = None) -> str:
        """Put the model on the Hugging Face hub, with the token in the variable ``HF_TOKEN``; the address of its page.

        Args:
            repo_id: ``owner/name``; it is made if there is none.
            private: of one that is made; one that there is stays as it is.
            message: of the commit.

        Raises:
            ArtifactError: the hub refuses.
            ConfigError: there is no token, or ``repo_id`` is of another form.
            MissingExtraError: huggingface_hub is not installed.
        """
        from textcnn.folder.hub import push

        with tempfile.TemporaryDirectory() as place:
            return push(self.save(Path(place) / "model"), repo_id, private=private, message=message)

    @property
    def labels(self) -> Labels:
        """The labels, in the order of the columns of :meth:`predict_proba`."""
        return self.artifact.labels if self._made is None else self._made.labels

    @property
    def schema(self) -> Schema:
        """What other tables are to be read like: the columns of training and how its labels were written."""
        return self.artifact.schema if self._made is None else self._made.schema

    @property
    def temperature(self) -> float:
        """Logits are divided by it."""
        return self.artifact.temperature if self._made is None else self._made.temperature

    @property
    def own_thresholds(self) -> list[float]:
        """From which probability each label is given (multi-label)."""
        return self.artifact.thresholds if self._made is None else self._made.own_thresholds

    @property
    def inputs(self) -> Any:
        """From raw rows to what :meth:`logits` takes."""
        return self.artifact.inputs if self._made is None else self._made.inputs

    def lookup(self) -> LookupModel | None:
        """The look-up runtime of this model; none where it has none."""
        if self._lookup is not None or self._artifact is None:
            return self._lookup
        return None if self._artifact.lookup_refusal else self._artifact.lookup()

    def explain(
        self, texts: Any, *, labels: str | Sequence[str] = "predicted", top: int | None = None
    ) -> list[Explanation] | list[list[Explanation]]:
        """Why each text has the logits it has (docs/explain.md).

        For one-layer models the sums are exact; for others they are integrated gradients, marked ``approximate``.

        Args:
            texts: as for :meth:`predict`.
            labels: ``predicted``: of the most probable label, one explanation a text; else a list for each text: of
                ``all`` labels or of the labels named.
            top: list that many n-grams and words, the strongest; an entry without a text holds the rest. None: all.

        Raises:
            ArtifactError: the model is for images.
            ConfigError: a label that there is not, or a model that was loaded with precision int8.
            DataError: a single text where a list belongs.
            MissingExtraError: the model is of more than one layer and captum is not installed.
        """
        from textcnn.explain.explainer import Explainer

        return Explainer(self, labels=labels, top=top)(texts)

    def logits(self, encoded: Any) -> npt.NDArray[np.floating]:
        """Logits ``(N, C)`` of rows that :attr:`inputs` has encoded."""
        if self._lookup is not None:
            return self._lookup.logits(encoded)
        return self.artifact.logits_function()(encoded)

    def certify(self, encoded: Any, thresholds: Sequence[float]) -> tuple[npt.NDArray[np.floating], Booleans | None]:
        """Logits ``(N, C)``, and, with int8, which rows provably have float32's labels."""
        return (
            super().certify(encoded, thresholds) if self._lookup is None else self._lookup.certify(encoded, thresholds)
        )

    def label_of(self, text: str) -> str | None:
        """The label of a text, by the look-up runtime's shorter way."""
        return None if self._lookup is None else self._lookup.label_of(text)

    def measure(self, texts: Sequence[str], thresholds: Sequence[float]) -> Measured:
        """Logits of texts, and what their answers say beside them."""
        return super().measure(texts, thresholds) if self._lookup is None else self._lookup.measure(texts, thresholds)
