"""Defines the public functions :func:`train` and :func:`load`."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textcnn.errors import ConfigError
from textcnn.folder.hub import model_folder
from textcnn.prediction.predictor import Predictor

if TYPE_CHECKING:
    from textcnn.progress import Reporter


def train(
    data: Any,
    *,
    dev: Any = None,
    test: Any = None,
    teacher: Any = None,
    unlabelled: Any = (),
    folds: int | None = None,
    start_from: str | Path | None = None,
    evidence: bool = False,
    output: str | Path | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
    **config: Any,
) -> Predictor:
    """Train a text classifier and return its predictor.

    Args:
        data: a path (CSV, TSV, JSONL, Parquet, fastText lines, a folder per class, each also gzipped), a hub id,
            ``(texts, labels)``, a list of ``(text, label)`` pairs or of dictionaries, a dictionary of columns, a pandas
            or pyarrow table, or a ``datasets.Dataset``.
        dev: the rows that select the best epoch and calibrate the model, in any of these forms.
        test: the rows that are only measured; the metrics are in ``predictor.artifact.training["test"]``.
        teacher: what answers for texts, so that the model learns from its probabilities too: a function of a list of
            texts that returns ``(N, C)`` (columns as the sorted labels, or as its attribute ``labels``), a file of
            probabilities, ``"encoder"`` (a sentence encoder with a logistic regression on the labelled rows; the extra
            ``teacher``), ``"encoder:NAME"``, or the folder or hub id of a model of this package or of transformers.
            What came of it is in ``predictor.artifact.training["teacher"]``; one that does not help is left out.
        unlabelled: texts without a label, for which the teacher answers: a source in any of these forms, or a list of
            paths.
        folds: the number of folds to cross-validate with before the final training on all rows; the mean and standard
            deviation are in ``predictor.artifact.training["folds"]``, the probabilities of every row in
            ``predictor.artifact.folds``.
        start_from: the folder of a text model to continue training with more rows, new words or new labels. Its
            architecture and settings are kept; its folder is not changed.
        evidence: whether to index the training rows by the n-grams that decide, for ``textcnn classify --evidence``.
        output: the folder to save the model in; checkpoints are kept in ``OUTPUT.checkpoints`` until it is saved.
        resume: whether to continue an interrupted run for this folder, with the same data and settings.
        reporter: receives progress; none: warnings about the data become a :class:`textcnn.DataWarning`, all other
            messages records of the logger ``textcnn``. All are in ``predictor.artifact.training["said"]`` too.
        config: settings by name, such as ``epochs=5``, ``num_filters=50``, ``architecture="lstm"``; see
            :mod:`textcnn.config` and the arguments of the architecture.

    Raises:
        ConfigError: settings are unknown or out of range; the message lists all of them.
        DataError: the data cannot be read with these settings.
        ArtifactError: ``output`` cannot be written, or has files other than a model's; raised before training.
        KeyboardInterrupt: training was interrupted; the best weights so far were saved if ``output`` was given.
    """
    from textcnn.progress import Telling
    from textcnn.runs import checkpoints_beside, train_text  # imported here, since `load` does not need them

    if output is None and resume:
        raise ConfigError("resume needs the folder of the model: give output")
    reporter = reporter or Telling()
    kept = nullcontext() if output is None else checkpoints_beside(Path(output), resume=resume, say=reporter.say)
    with kept as checkpoints:
        run = train_text(
            data,
            config,
            reporter,
            dev=dev,
            test=test,
            teacher=teacher,
            unlabelled=_sources(unlabelled),
            folds=folds,
            start_from=start_from,
            evidence=evidence,
            checkpoints=checkpoints,
        )
        if output is not None:
            run.predictor.save(output)
        if run.stopped == "interrupted":
            raise KeyboardInterrupt
    return run.predictor


def _sources(unlabelled: Any) -> list[Any]:
    """Return a list of sources: of several paths, or of one source in another form."""
    if not isinstance(unlabelled, (list, tuple)):
        return [unlabelled]
    # A list of strings is a list of texts, unless all of them are files.
    are_paths = all(isinstance(each, (str, Path)) and os.path.exists(each) for each in unlabelled)
    return list(unlabelled) if are_paths else [unlabelled]


def load(path: str | Path, *, runtime: str = "auto", precision: str = "float32") -> Predictor:
    """Load a model from its folder or from the Hugging Face hub.

    Args:
        path: a model folder, or ``hf://owner/name`` or ``hf://owner/name@revision`` for a model of the hub.
        runtime: ``look-up``, ``torch``, or ``auto``: look-up, without torch, where the model allows it.
        precision: ``float32``, or ``int8`` (look-up only): identical logits on every machine, and certified answers.

    Raises:
        ArtifactError: the folder is missing or incomplete, or the model cannot be downloaded.
        ConfigError: the runtime or precision is unknown, or the model does not allow it.
    """
    return Predictor.load(model_folder(path), runtime=runtime, precision=precision)
