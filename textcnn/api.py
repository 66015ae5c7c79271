"""The public door: train a predictor, load one."""

from __future__ import annotations

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
        dev: rows that choose the best epoch and calibrate, in any of these forms.
        test: rows that are only measured; the metrics stand in ``predictor.artifact.training["test"]``.
        folds: cross-validate with that many folds before all rows train the model; mean and spread stand in
            ``predictor.artifact.training["folds"]``, the answers to every row in ``predictor.artifact.folds``.
        start_from: folder of a text model to continue with: more rows, new words, new labels. Its architecture and
            settings are kept, its folder is only read.
        evidence: keep which training rows hold the n-grams that decide, for ``textcnn classify --evidence``.
        output: folder to save the model in; beside it, checkpoints are kept until it is saved.
        resume: go on with a run for this folder that was killed, with the same data and settings.
        reporter: receives progress; none: what is odd about the data is a :class:`textcnn.DataWarning`, all else a
            record of the logger ``textcnn``. ``predictor.artifact.training["said"]`` has it too.
        config: settings by name, as ``epochs=5``, ``num_filters=50``, ``architecture="lstm"``; see
            :mod:`textcnn.config` and the arguments of the architecture.

    Raises:
        ConfigError: settings that are unknown or out of range, all of them together.
        DataError: data that cannot be read as asked.
        ArtifactError: ``output`` cannot be written, or holds other files than a model's; before training starts.
        KeyboardInterrupt: training was interrupted; the best weights so far were saved if ``output`` was given.
    """
    from textcnn.progress import Telling
    from textcnn.runs import checkpoints_beside, train_text  # what `load` does without

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


def load(path: str | Path, *, runtime: str = "auto", precision: str = "float32") -> Predictor:
    """Read a model folder.

    Args:
        path: the folder, or ``hf://owner/name`` or ``hf://owner/name@revision``: a model of the Hugging Face hub.
        runtime: ``look-up``, ``torch``, or ``auto``: look-up, without torch, where the model allows it.
        precision: ``float32``, or ``int8`` (look-up alone): the same logits on every machine, certified answers.

    Raises:
        ArtifactError: it is not there, or not whole, or cannot be fetched.
        ConfigError: a runtime or precision that there is not, or that the model does not allow.
    """
    return Predictor.load(model_folder(path), runtime=runtime, precision=precision)
