"""`textcnn image`: the same verbs for images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textcnn_cli import console, evaluate, options, train

app = typer.Typer(help="The same verbs for images.", no_args_is_help=True)
DEFAULT_ARCHITECTURE = "lenet"


@app.command("train")
def train_images(
    data: Annotated[
        str, typer.Argument(metavar="TRAIN", help="labelled images: an npz or idx file, or a folder of one")
    ],
    dev: Annotated[str | None, typer.Option("--dev", help="images that choose the best epoch and calibrate")] = None,
    dev_fraction: options.DevFraction = None,
    test: Annotated[str | None, typer.Option("--test", help="images that are only measured, at the end")] = None,
    output: train.Output = Path("model"),
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
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Train an image classifier on labelled images."""
    given = {
        "architecture": architecture,
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "threads": threads,
        "class_weight": class_weight,
        "device": device,
        "dev_fraction": dev_fraction,
    }
    settings = {"architecture": DEFAULT_ARCHITECTURE, **options.merge_settings(config, set, given)}
    from textcnn.config import Config
    from textcnn.inference.folder import require_writable
    from textcnn.runs import run_images

    require_writable(output)
    run = run_images(data, Config.from_flat(settings), train.reporter(), dev=dev, test=test)
    train.finish(run, output, json)


@app.command("classify")
def classify_images(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="folder that `image train` wrote")],
    data: Annotated[str, typer.Argument(metavar="IMAGES", help="an npz or idx file, or a folder of one")],
    output: Annotated[
        str, typer.Option("--output", help="a .jsonl, .csv, .tsv or .parquet file; - writes JSON lines to stdout")
    ] = "-",
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="list that many labels an image")] = None,
) -> None:
    """Classify images: one row for each, in order."""
    from textcnn.image.reading import read_images
    from textcnn.inference.answers import classify_images as answers
    from textcnn.inference.predictor import Predictor
    from textcnn.inference.writing import write_rows

    count = write_rows(answers(Predictor.load(model), read_images(data).pixels, top_k=top_k), output)
    console.say(f"classified {count:,} images")


@app.command("evaluate")
def evaluate_images(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="folder that `image train` wrote")],
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="labelled images: an npz or idx file, or a folder of one")
    ],
    json: options.Json = False,
) -> None:
    """Measure a model on labelled images: accuracy, F1, calibration, and each label."""
    from textcnn.image.reading import read_images
    from textcnn.inference.predictor import Predictor
    from textcnn.runs import labelled_images

    predictor = Predictor.load(model)
    inputs = predictor.artifact.image_inputs()
    part = labelled_images(inputs, read_images(data))
    evaluate.render(predictor.score(part.encoded, part.truth), json)
