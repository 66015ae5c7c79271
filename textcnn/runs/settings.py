"""Starts a text run from settings by name, for the command line and the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textcnn.config import Config, TrainingConfig
from textcnn.errors import ConfigError
from textcnn.prediction.artifact import Artifact, load_artifact
from textcnn.progress import Remembering, Reporter
from textcnn.runs.continuing import continued_config
from textcnn.runs.finish import Run, ended, shared_config
from textcnn.runs.folds import run_text_folds
from textcnn.runs.numbers import check_numbers
from textcnn.runs.taught import run_taught
from textcnn.runs.text import run_text
from textcnn.training.checkpoints import Checkpoints
from textcnn.training.distributed import ALONE, ProcessGroup
from textcnn.training.resource_limits import Watch


def train_text(
    data: Any,
    settings: Mapping[str, Any],
    reporter: Reporter,
    *,
    dev: Any = None,
    test: Any = None,
    teacher: Any = None,
    unlabelled: Sequence[Any] = (),
    folds: int | None = None,
    start_from: str | Path | Artifact | None = None,
    evidence: bool = False,
    checkpoints: Checkpoints | None = None,
    began: float | None = None,
    group: ProcessGroup = ALONE,
) -> Run:
    """Train a text classifier from settings by name.

    Args:
        data: as for :func:`run_text`.
        settings: the settings by name, without sections.
        reporter: receives progress messages.
        dev: the rows that select the best epoch and calibrate the model.
        test: the rows that are only measured.
        teacher: answers for texts, as for :func:`textcnn.runs.taught.run_taught`; none: no teacher.
        unlabelled: files of texts without a label, for which the teacher answers.
        folds: the number of folds to cross-validate with before the final training; none: no cross validation.
        start_from: a saved text model, or its artifact, whose words, labels and weights are the start; its folder is
            not changed.
        evidence: whether to build an index of the training rows that contain the deciding n-grams.
        checkpoints: where the progress of the run is saved, and from where it resumes.
        began: the start of the time that ``time_limit`` counts, by ``time.perf_counter``; none: now.
        group: the processes that train the network together, each of which calls this with the same arguments; only
            the first one measures test rows and writes checkpoints.

    Raises:
        ConfigError: settings are unknown, out of range or contradict each other.
        DataError: the data cannot be read with these settings.
        ArtifactError: ``start_from`` is not a text model.
        OverMemoryError: the run exceeded ``max_memory`` before training began.
    """
    start, reporter = None, Remembering(reporter)
    if start_from is not None:
        if folds is not None:
            raise ConfigError(
                f"folds is {folds}, but the run starts from a model that may have seen the rows held out; leave one out"
            )
        where = "given" if isinstance(start_from, Artifact) else str(start_from)
        start = start_from if isinstance(start_from, Artifact) else load_artifact(start_from)
        config = continued_config(settings, start, where)
    else:
        config = Config.from_flat(settings)
    is_taught = teacher is not None or len(unlabelled) > 0
    if is_taught and (folds is not None or group.size > 1):
        raise ConfigError("a teacher is compared on folds of its own, in one process; leave out folds and torchrun")
    if config.data.regression or config.data.ordinal or config.training.loss != TrainingConfig().loss:
        check_numbers(config, folds=folds, is_taught=is_taught, evidence=evidence)
    config = shared_config(config, group, reporter, folds=folds)
    num_fits = ((folds or 0) + 1) * config.training.ensemble
    with Watch(config.training, num_fits=num_fits, checkpoints=checkpoints, began=began, group=group) as watch:
        more: dict[str, Any] = {"dev": dev, "test": test, "evidence": evidence, "watch": watch}
        if is_taught:
            run = run_taught(data, config, reporter, teacher=teacher, unlabelled=unlabelled, start=start, **more)
        elif folds is not None:
            run = run_text_folds(data, config, folds, reporter, **more)
        else:
            run = run_text(data, config, reporter, start=start, **more)
        run.predictor.artifact.training["said"] = reporter.said
        return ended(run, watch)
