"""Implements `textcnn image`, with the commands train, classify and evaluate for images."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from textcnn_cli import console, evaluate, options, signals, train

app = typer.Typer(
    name="image", help="Train, apply and measure image classifiers.", no_args_is_help=True, add_completion=False
)
DEFAULT_ARCHITECTURE = "lenet"
DEFAULT_DATA = "digits"
SOURCES = "an npz or idx file, a folder with one, a folder of pictures, or a hub id"


@app.command("train")
def train_images(
    data: Annotated[
        str | None,
        typer.Argument(metavar="[TRAIN]", help=f"labelled images: {SOURCES}; default: scikit-learn's digits"),
    ] = None,
    dev: Annotated[
        str | None, typer.Option("--dev", help="dev images, which select the best epoch and calibrate the model")
    ] = None,
    dev_fraction: options.DevFraction = None,
    test: Annotated[
        str | None, typer.Option("--test", help="test images, on which the trained model is measured")
    ] = None,
    output: train.Output = Path("model"),
    image_size: options.ImageSize = None,
    random_shift: options.RandomShift = None,
    random_flip: options.RandomFlip = None,
    architecture: options.Architecture = None,
    config: options.ConfigFile = None,
    set: options.Set = None,
    epochs: options.Epochs = None,
    patience: options.Patience = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    class_weight: options.ClassWeight = None,
    focal_gamma: options.FocalGamma = None,
    device: options.Device = None,
    amp: options.Amp = None,
    time_limit: options.TimeLimit = None,
    max_memory: options.MaxMemory = None,
    resume: options.Resume = False,
    checkpoint_seconds: options.CheckpointSeconds = 60.0,
    tensorboard: options.TensorBoard = None,
    json: options.Json = False,
) -> None:
    """Train an image classifier on labelled images.

    Example: textcnn image train pictures/train --test pictures/test --image-size 64x64 -o model
    """
    began = time.perf_counter()
    given = {
        "image_size": image_size,
        "random_shift": random_shift,
        "random_flip": random_flip,
        "architecture": architecture,
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "threads": threads,
        "class_weight": class_weight,
        "focal_gamma": focal_gamma,
        "device": device,
        "amp": amp,
        "dev_fraction": dev_fraction,
        "time_limit": time_limit,
        "max_memory": max_memory,
    }
    settings = {"architecture": DEFAULT_ARCHITECTURE, **options.merge_settings(config, set, given)}
    from textcnn.config import Config
    from textcnn.runs.images import run_images

    if data is None:
        data, test = _digits(test)
    signals.interrupt_at_sigterm()
    with train.shared(output, resume=resume, seconds=checkpoint_seconds) as (group, checkpoints):
        first = group.is_first
        run = run_images(
            data,
            Config.from_flat(settings),
            train.reporter(tensorboard if first else None),
            dev=dev,
            test=test if first else None,
            checkpoints=checkpoints,
            began=began,
            group=group,
        )
        if first:
            train.finish(run, output, json, checkpoints=checkpoints)


def _digits(test: str | None) -> tuple[str, str]:
    """Return the training and test files of the digits data set of scikit-learn."""
    from textcnn.datasets.catalogue import get

    folder = get(DEFAULT_DATA)
    console.say(f"no images given: those of {folder}")
    return str(folder / "train.npz"), test or str(folder / "test.npz")


@app.command("classify")
def classify_images(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", parser=options.fetched, help="folder that `image train` wrote, or hf://owner/name"
        ),
    ],
    data: Annotated[str, typer.Argument(metavar="IMAGES", help=f"images to classify: a picture, {SOURCES}")],
    output: Annotated[
        str,
        typer.Option("--output", help="output file: .jsonl, .csv, .tsv or .parquet; - writes JSON lines to stdout"),
    ] = "-",
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="number of labels to list per image")] = None,
) -> None:
    """Classify images, with one row for each, in order; pictures have names, other images numbers from 0."""
    from textcnn.prediction.answers import classify_images as answers
    from textcnn.prediction.predictor import Predictor
    from textcnn.prediction.writing import write_rows
    from textcnn.runs.images import read_like

    predictor = Predictor.load(model)
    images = read_like(predictor.artifact.image_inputs(), data, "test")
    count = write_rows(answers(predictor, images.pixels, names=images.files, top_k=top_k), output)
    console.say(f"classified {count:,} images")


@app.command("evaluate")
def evaluate_images(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", parser=options.fetched, help="folder that `image train` wrote, or hf://owner/name"
        ),
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help=f"labelled images: {SOURCES}")],
    json: options.Json = False,
) -> None:
    """Measure a model on labelled images: accuracy, F1, calibration, and each label."""
    from textcnn.prediction.predictor import Predictor
    from textcnn.runs.images import labelled_images, read_like

    predictor = Predictor.load(model)
    inputs = predictor.artifact.image_inputs()
    part = labelled_images(inputs, read_like(inputs, data, "test"))
    evaluate.render(predictor.score(part.encoded, part.truth), json)
