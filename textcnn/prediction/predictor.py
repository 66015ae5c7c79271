"""Defines the predictor: it loads a model and classifies rows in order with the fastest runtime the model allows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn.config_types import SPARSE
from textcnn.errors import ArtifactError, ConfigError
from textcnn.evaluation.promises import HeldOutAnswers, promised_least
from textcnn.evaluation.strangers import in_two
from textcnn.folder.config_json import read_config
from textcnn.folder.model_folder import HELD_OUT
from textcnn.folder.training_rows import read_held_out
from textcnn.labels import Labels
from textcnn.reading.schema import Schema
from textcnn.runtime.cache import CACHE_BYTES
from textcnn.runtime.given_texts import given_texts
from textcnn.runtime.lookup import PRECISIONS, LookupModel
from textcnn.runtime.many_labels import ManyLabelModel
from textcnn.runtime.one_layer import refusal, serves_many_labels
from textcnn.runtime.text_model import Answering as Answering
from textcnn.runtime.text_model import Answers as Answers
from textcnn.runtime.text_model import Booleans, Measured, Runtime

if TYPE_CHECKING:
    from textcnn.explain.entries import Explanation
    from textcnn.prediction.artifact import Artifact

RUNTIMES = ("auto", "look-up", "torch")
MANY_LABELS = "many-labels"  # the runtime of models with a sparse n-gram branch
BLOCK = 512  # rows of very many labels that are answered at once


class Predictor(Answering):
    """A trained model, ready for prediction. ``textcnn.load(folder)`` returns one.

    Made from an artifact that has its network, it runs the network in torch, which defines the model. Loaded from a
    folder, or made from an artifact of weights alone, it uses the look-up runtime where the model allows it, and
    imports torch only when the network is needed.
    """

    def __init__(self, artifact: Artifact) -> None:
        self._artifact: Artifact | None = artifact
        self._folder: Path | None = None
        self._made: LookupModel | ManyLabelModel | None = None
        self.runtime = Runtime(MANY_LABELS)
        if artifact.config.wide != SPARSE:  # which training allows only where that runtime serves it
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
        saved: dict[str, Any] | None = None,
    ) -> Predictor:
        """Load a model from its folder.

        Args:
            folder: a model folder written by ``train``.
            runtime: ``look-up``, ``torch``, or ``auto``: look-up where the model allows it.
            precision: ``float32``, or ``int8`` (look-up only): integer logits, and certified answers.
            threads: the number of threads of the look-up runtime; none: all cores.
            cache_bytes: the memory limit of the look-up runtime's cached rows.
            saved: the contents of config.json, if the caller has read it.

        Raises:
            ArtifactError: the folder is missing or incomplete, or ``runtime="look-up"`` cannot run its model.
            ConfigError: the runtime or precision is unknown, or the model does not allow it.
        """
        if runtime not in RUNTIMES:
            raise ConfigError(f"runtime must be one of {', '.join(RUNTIMES)}, got {runtime!r}")
        if precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        folder = Path(folder)
        saved = read_config(folder) if saved is None else saved
        reason = "it was asked for" if runtime == "torch" else refusal(saved)
        if reason and (precision == "int8" or runtime == "look-up"):
            wanted = "precision 'int8'" if precision == "int8" else "runtime 'look-up'"
            raise ConfigError(f"{wanted} needs the look-up runtime, which {str(folder)!r} does not have: {reason}")
        if saved.get("wide") == SPARSE and serves_many_labels(saved):
            if runtime == "torch":
                raise ConfigError(f"expected a model with a network of torch, but {refusal(saved)}; use runtime 'auto'")
            many = ManyLabelModel.load(folder, saved=saved, threads=threads, cache_bytes=cache_bytes)
            return cls._of(many, folder)
        if not reason:
            try:
                how: dict[str, Any] = {"threads": threads, "cache_bytes": cache_bytes, "saved": saved}
                return cls._of(LookupModel.load(folder, precision=precision, **how), folder)
            except ArtifactError as err:
                if runtime == "look-up" or precision == "int8":
                    raise
                reason = str(err)  # fall back to torch, which raises its own error if it cannot load the model either
        from textcnn.prediction.artifact import load_artifact

        predictor = cls(load_artifact(folder))
        predictor.runtime = Runtime("torch", reason)
        return predictor

    @classmethod
    def _of(cls, made: LookupModel | ManyLabelModel, folder: Path) -> Predictor:
        predictor = cls.__new__(cls)
        predictor._artifact, predictor._folder, predictor._made = None, folder, made
        predictor.runtime = Runtime("look-up" if isinstance(made, LookupModel) else MANY_LABELS)
        return predictor

    def __getstate__(self) -> dict[str, Any]:
        """Pickle all that prediction needs; ``artifact`` and ``save`` read the folder again in the other process."""
        return {**self.__dict__, "_folder": None if self._folder is None else self._folder.absolute()}

    @property
    def _lookup(self) -> LookupModel | None:
        """The look-up runtime, if this predictor uses it; for an artifact it is built on first use."""
        fast = self._fast if self._made is None else self._made
        return fast if isinstance(fast, LookupModel) else None

    @property
    def _fast(self) -> LookupModel | ManyLabelModel | None:
        """The runtime that this predictor uses, if it is not torch; for an artifact it is built on first use."""
        if self._made is None and self._artifact is not None and self.runtime.name != "torch":
            artifact = self._artifact
            self._made = artifact.lookup() if self.runtime.name == "look-up" else artifact.many_labels()
        return self._made

    @property
    def artifact(self) -> Artifact:
        """The artifact with the network; if the look-up runtime is in use, the folder is loaded again with torch.

        Raises:
            ArtifactError: the folder is no longer complete.
        """
        if self._artifact is None:
            from textcnn.prediction.artifact import load_artifact

            assert self._folder is not None
            self._artifact = load_artifact(self._folder)
        return self._artifact

    def save(self, folder: str | Path) -> Path:
        """Write the model folder atomically.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        return self.artifact.save(folder)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, runtime: str = "auto", precision: str = "float32"
    ) -> Predictor:
        """Load a model from the Hugging Face hub, or from a folder.

        Args:
            name: ``owner/name`` or ``hf://owner/name``; a local folder named ``owner/name`` takes precedence.
            revision: branch, tag or commit; none: the newest commit.
            runtime: as in :meth:`load`.
            precision: as in :meth:`load`.

        Raises:
            ArtifactError: there is no such model, it is incomplete, or neither the hub nor the cache can provide it.
            ConfigError: as for :meth:`load`, or a revision is given for a local folder.
            MissingExtraError: huggingface_hub is not installed.
        """
        from textcnn.folder.hub import pretrained_folder

        return cls.load(pretrained_folder(name, revision), runtime=runtime, precision=precision)

    def push_to_hub(self, repo_id: str, *, private: bool = True, message: str | None = None) -> str:
        """Upload the model to the Hugging Face hub and return the address of its page.

        The token is read from the environment variable ``HF_TOKEN``.

        Args:
            repo_id: ``owner/name``; the repository is created if it does not exist.
            private: whether a repository that is created is private; an existing one keeps its visibility.
            message: the commit message.

        Raises:
            ArtifactError: the hub refuses the model.
            ConfigError: there is no token, or ``repo_id`` is not ``owner/name``.
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
        """The columns of the training data and the way its labels were written, for reading further tables."""
        return self.artifact.schema if self._made is None else self._made.schema

    @cached_property
    def held_out(self) -> HeldOutAnswers | None:
        """The answers to held-out rows that the calibration was fitted to; none: there are none.

        Raises:
            ArtifactError: their file is damaged.
        """
        if self._artifact is not None:
            return self._artifact.held_out
        assert self._folder is not None
        path = self._folder / HELD_OUT
        return read_held_out(path, len(self.labels)) if path.is_file() else None

    def none_of_these(self, texts: Any, *, kept: float = 0.95) -> Booleans:
        """Return which texts ``(N,)`` are of none of the labels, by what is known of the rows held out from training.

        Args:
            texts: as for :meth:`predict`.
            kept: the share of rows like the held-out ones that is not flagged.

        Raises:
            ConfigError: the model has no statistics of held-out rows or is multi-label, or the share is not in (0, 1).
            DataError: a single text instead of a list.
        """
        from textcnn.prediction.strangers import StrangerModel

        return StrangerModel(self).strange(given_texts(texts, self.schema), kept)

    def predict_nodes(
        self, texts: Any, *, min_probability: float | None = None, min_accuracy: float | None = None
    ) -> list[str | None]:
        """Return for each text the deepest node of the tree of labels that is sure enough; none: only the root is.

        Args:
            texts: as for :meth:`predict`.
            min_probability: the probability that a node has to reach, which is the sum of the labels at and below it.
            min_accuracy: in its place, the share of answers that are to be right, by the rows held out from training.

        Raises:
            ConfigError: the labels are no tree or multi-label, or not one of the two is given, or no held-out rows.
            DataError: a single text instead of a list.
        """
        labels = self.labels
        if labels.tree is None or labels.multi_label:
            raise ConfigError("predict_nodes is for one label a row in a tree: train with hierarchy")
        least = promised_least(self.held_out, labels, min_probability, min_accuracy)
        found = labels.tree.answers(self.predict_proba(texts), least)
        rows = zip(found.numbers.tolist(), found.levels.tolist(), strict=True)
        return [labels.tree.nodes[number] if level else None for number, level in rows]

    @property
    def temperature(self) -> float:
        """The temperature that logits are divided by."""
        return self.artifact.temperature if self._made is None else self._made.temperature

    @property
    def own_thresholds(self) -> list[float]:
        """The probability from which each label is assigned (multi-label)."""
        return self.artifact.thresholds if self._made is None else self._made.own_thresholds

    @property
    def inputs(self) -> Any:
        """The pipeline from raw rows to the encoded rows that :meth:`logits` takes."""
        return self.artifact.inputs if self._made is None else self._made.inputs

    def predict_arrow(self, column: Any, *, top_k: int | None = None, threshold: float | None = None) -> Any:
        """Return the answers to a column of texts as a pyarrow column of structs: an Array for an Array.

        The bytes of the texts are read where they are. A struct has ``label``, ``probability`` and ``flags``, and, as
        rows of ``textcnn classify``, ``top``, ``labels`` (multi-label) and ``certified`` (int8). A null is an empty
        text.

        Args:
            column: a pyarrow Array or ChunkedArray of strings, or an object with Arrow's C interface, such as a
                polars or pandas Series.
            top_k: the number of labels to list; none: no list.
            threshold: one threshold for all labels, instead of the model's own (multi-label).

        Raises:
            ArtifactError: the model is for images.
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
            DataError: it is no column of Arrow, or not one of strings.
        """
        from textcnn.prediction.arrow import predict_arrow

        self.text_inputs()
        is_certified = self._lookup is not None and self._lookup.precision == "int8" and not self.labels.targets
        return predict_arrow(self, column, top_k=top_k, threshold=threshold, is_certified=is_certified)

    def lookup(self) -> LookupModel | None:
        """Return this model in the look-up runtime; none if that cannot run it."""
        if self._lookup is not None or self._artifact is None:
            return self._lookup
        return None if self._artifact.lookup_refusal else self._artifact.lookup()

    def explain(
        self, texts: Any, *, labels: str | Sequence[str] = "predicted", top: int | None = None
    ) -> list[Explanation] | list[list[Explanation]]:
        """Explain the logits of each text as sums over its n-grams and words (docs/explain.md).

        For one-layer models the sums are exact; for others they are integrated gradients, marked ``approximate``.

        Args:
            texts: as for :meth:`predict`.
            labels: ``predicted`` gives one explanation per text, of its most probable label; ``all``, or names of
                labels, give a list of explanations per text.
            top: the number of n-grams and of words to list, the strongest first; an entry with an empty text sums up
                the rest. None: all.

        Raises:
            ArtifactError: the model is for images.
            ConfigError: an unknown label, or a model that was loaded with precision int8.
            DataError: a single text instead of a list.
            MissingExtraError: the model has more than one layer and captum is not installed.
        """
        from textcnn.explain.explainer import Explainer

        return Explainer(self, labels=labels, top=top)(texts)

    def logits(self, encoded: Any) -> npt.NDArray[np.floating]:
        """Return the logits ``(N, C)`` of rows that :attr:`inputs` has encoded."""
        if self._fast is not None:
            return self._fast.logits(encoded)
        return self.artifact.logits_function()(encoded)

    def branches(self, encoded: Any) -> list[npt.NDArray[np.floating]]:
        """Return the calibrated logits ``(N, C)`` of the network, with characters, and of the n-gram branch."""
        if self._fast is not None:
            return self._fast.branches(encoded)
        artifact = self.artifact
        found = artifact.branches_function()(encoded)
        weights = artifact.branch_weights.values()
        return in_two([weight * branch for weight, branch in zip(weights, found, strict=True)])

    def certify(self, encoded: Any, thresholds: Sequence[float]) -> tuple[npt.NDArray[np.floating], Booleans | None]:
        """Return the logits ``(N, C)`` and, with int8, which rows ``(N,)`` provably have float32's labels."""
        return (
            super().certify(encoded, thresholds) if self._lookup is None else self._lookup.certify(encoded, thresholds)
        )

    def label_of(self, text: str) -> str | None:
        """Return the label of one text by the look-up runtime's fast path; none where that does not apply."""
        return None if self._lookup is None else self._lookup.label_of(text)

    def measure(self, texts: Sequence[str], thresholds: Sequence[float]) -> Measured:
        """Return the logits of texts, with their flags and counts."""
        return super().measure(texts, thresholds) if self._lookup is None else self._lookup.measure(texts, thresholds)

    def predict(self, rows: Any) -> list[str] | list[tuple[str, ...]]:
        """Return the label of each row, as every predictor does; with very many labels a block of rows at a time."""
        if not isinstance(self._fast, ManyLabelModel):
            return super().predict(rows)
        texts = given_texts(rows, self.schema)
        blocks = (texts[start : start + BLOCK] for start in range(0, len(texts), BLOCK))
        return [label for block in blocks for (label,) in self.answer(block).labels]

    def decided(self, found: Measured, thresholds: Sequence[float]) -> Answers:
        """Return the answers that the logits ``found`` lead to."""
        many = self._made  # which has made them
        return (
            many.decided(found, thresholds) if isinstance(many, ManyLabelModel) else super().decided(found, thresholds)
        )
