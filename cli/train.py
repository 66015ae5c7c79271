"""Implements `textcnn train`, which trains a text classifier and writes its model folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textcnn_cli import console, options, signals

if TYPE_CHECKING:
    from textcnn.runs import Run
    from textcnn.training.checkpoints import Checkpoints
    from textcnn.training.distributed import ProcessGroup

Output = Annotated[Path, typer.Option("-o", "--output", help="folder to write the model to")]


def train(
    data: Annotated[str, typer.Argument(metavar="TRAIN", help="labelled texts: a file, a folder per class, a hub id")],
    dev: Annotated[
        str | None, typer.Option("--dev", help="dev rows, which select the best epoch and calibrate the model")
    ] = None,
    dev_fraction: options.DevFraction = None,
    test: Annotated[
        str | None, typer.Option("--test", help="test rows, on which the trained model is measured")
    ] = None,
    unlabelled: Annotated[
        list[str] | None,
        typer.Option("--unlabelled", metavar="FILE", help="texts without a label, for which a teacher answers"),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            help="learn from what this answers: a file of probabilities, encoder, a model's folder or hub id",
        ),
    ] = None,
    output: Output = Path("model"),
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.FormatIfGiven = None,
    encoding: options.EncodingIfGiven = None,
    label_separator: options.LabelSeparator = None,
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    multi_label: options.MultiLabel = None,
    regression: options.Regression = None,
    ordinal: options.Ordinal = None,
    allow_rare_labels: options.AllowRareLabels = None,
    weight_column: options.WeightColumn = None,
    hierarchy: options.Hierarchy = None,
    tokenizer: options.Tokenizer = None,
    max_length: options.MaxLength = None,
    architecture: options.Architecture = None,
    preset: options.Preset = None,
    vectors: options.Vectors = None,
    config: options.ConfigFile = None,
    set: options.Set = None,
    folds: Annotated[
        int | None, typer.Option("--folds", metavar="K", help="cross-validate with K folds, then train on all rows")
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            parser=options.fetched,
            help="continue training this model with more rows, new words or new labels",
        ),
    ] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="index training rows by deciding n-grams, for classify --evidence")
    ] = False,
    calibrate: options.Calibrate = None,
    characters: options.Characters = None,
    epochs: options.Epochs = None,
    patience: options.Patience = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    loss: options.Loss = None,
    class_weight: options.ClassWeight = None,
    focal_gamma: options.FocalGamma = None,
    teacher_weight: options.TeacherWeight = None,
    device: options.Device = None,
    amp: options.Amp = None,
    time_limit: options.TimeLimit = None,
    max_memory: options.MaxMemory = None,
    resume: options.Resume = False,
    checkpoint_seconds: options.CheckpointSeconds = 60.0,
    report: options.Report = None,
    tensorboard: options.TensorBoard = None,
    json: options.Json = False,
) -> None:
    """Train a text classifier on labelled texts.

    Example: textcnn train reviews.csv --test held-out.csv -o model
    """
    began = time.perf_counter()
    given = {
        "text_column": tuple(text_column or ()),
        "label_column": tuple(label_column or ()),
        "format": format,
        "encoding": encoding,
        "quotes": quotes,
        "escape": escape,
        "label_separator": label_separator,
        "multi_label": multi_label,
        "regression": regression,
        "ordinal": ordinal,
        "allow_rare_labels": allow_rare_labels,
        "weight_column": weight_column,
        "hierarchy": hierarchy,
        "tokenizer": tokenizer,
        "max_length": max_length,
        "architecture": architecture,
        "preset": preset,
        "vectors": vectors,
        "calibrate": calibrate,
        "characters": characters,
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "threads": threads,
        "loss": loss,
        "class_weight": class_weight,
        "focal_gamma": focal_gamma,
        "teacher_weight": teacher_weight,
        "device": device,
        "amp": amp,
        "dev_fraction": dev_fraction,
        "time_limit": time_limit,
        "max_memory": max_memory,
    }
    settings = options.merge_settings(config, set, given)
    from textcnn.runs import train_text

    if report is not None:
        from textcnn.report import check_report

        check_report(report, output)
    signals.interrupt_at_sigterm()
    with shared(output, resume=resume, seconds=checkpoint_seconds) as (group, checkpoints):
        first = group.is_first
        run = train_text(
            data,
            settings,
            reporter(tensorboard if first else None),
            dev=dev,
            test=test if first else None,
            teacher=teacher,
            unlabelled=unlabelled or (),
            folds=folds,
            start_from=start_from,
            evidence=evidence and first,
            checkpoints=checkpoints,
            began=began,
            group=group,
        )
        if first:
            finish(run, output, json, report=report, checkpoints=checkpoints)


@contextmanager
def shared(output: Path, *, resume: bool, seconds: float) -> Iterator[tuple[ProcessGroup, Checkpoints | None]]:
    """Yield the process group of a run and its checkpoints; only the first process writes output and messages.

    All processes leave the block together.
    """
    from textcnn.runs import checkpoints_beside
    from textcnn.training.distributed import process_group, restart_count

    with process_group() as group:
        if not group.is_first:  # messages of the other processes would only repeat those of the first
            console.set_level(-1)
            yield group, None
            group.wait()
            return
        with checkpoints_beside(
            output, resume=resume or restart_count() > 0, say=console.say, seconds=seconds
        ) as checkpoints:
            try:
                yield group, checkpoints
            except typer.Exit:  # after an interrupt, when the model has been saved
                group.wait()
                raise
        group.wait()


def reporter(tensorboard: Path | None = None) -> Any:
    """Return a reporter that shows progress on stderr, unless quiet, and writes learning curves to a given folder."""
    from textcnn.progress import Silent, TerminalReporter, Together

    shown = signals.remembering(Silent() if console.is_quiet() else TerminalReporter())
    if tensorboard is None:
        return shown
    from textcnn.training.tensorboard import TensorBoard

    return Together(shown, TensorBoard(tensorboard))


def finish(
    run: Run,
    output: Path,
    json: bool,
    *,
    report: Path | None = None,
    checkpoints: Checkpoints | None = None,
    **more: Any,
) -> None:
    """Save the model, print its metrics, and exit with an error code after a signal or a failed training."""
    run.predictor.artifact.save(output)
    summary = {"artifact": str(output), **run.summary, **more}
    console.say(
        f"saved {output}: {summary['num_parameters']:,} parameters, {summary['train_seconds']:.1f} s of training"
    )
    if summary["calibration"]:
        console.say(run.calibration.describe())
    if report is not None:
        _report(run, output, report)
    if json:
        console.write_json(summary)
    else:
        print(f"model: {output}")
        if "folds" in summary:
            from textcnn.runs.folds import folds_line

            print(f"folds: {folds_line(summary['folds'])}")
        if "teacher" in summary:
            from textcnn.runs.taught import describe

            print(describe(summary["teacher"]))
        for name in ("dev", "test"):
            if (scores := summary[name]) is not None:
                console.write_scores(scores, name=f"{name}: ")
    if run.stopped == "interrupted":
        further = "; --resume goes on from the last checkpoint" if checkpoints and checkpoints.files() else ""
        console.say(f"interrupted: the best weights so far were saved{further}")
        raise typer.Exit(signals.exit_code())
    if run.stopped in ("diverged", "memory"):
        console.error(f"{run.problem} (the weights of epoch {summary['best_epoch']} were saved)")
        raise typer.Exit(2)


def _report(run: Run, output: Path, folder: Path) -> None:
    """Write the report about the saved model, on its test rows, or on its dev rows if there are none."""
    from textcnn.prediction.predictor import Predictor

    part = "test" if "test" in run.held_out else "dev"
    console.write_report(Predictor.load(output), output, run.held_out.get(part), folder, part=part)
