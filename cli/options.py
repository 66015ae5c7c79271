"""Defines the options that several commands share, with the help texts of the config's fields, and parses them."""

from __future__ import annotations

import itertools
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from textcnn.config import DataConfig, ImageConfig, ModelConfig, TextConfig, TrainingConfig, describe, may_be_none
from textcnn.errors import ConfigError

Value = TypeVar("Value")


def fetched(name: str) -> Path:
    """Return a model's folder, after downloading it if it is on the hub, except during shell completion."""
    from textcnn.folder.hub import model_folder

    # The shell sets this variable while it completes a command line, when nothing must be downloaded.
    return Path(name) if "_TEXTCNN_COMPLETE" in os.environ else model_folder(name)


Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", parser=fetched, help="model folder of `train`, or hf://owner/name[@revision]"),
]
TextColumn = Annotated[list[str] | None, typer.Option("--text-column", help=describe(DataConfig, "text_column"))]
LabelColumn = Annotated[list[str] | None, typer.Option("--label-column", help=describe(DataConfig, "label_column"))]
_FORMAT = typer.Option("--format", help=describe(DataConfig, "format"))
_ENCODING = typer.Option("--encoding", help=describe(DataConfig, "encoding"))
Quotes = Annotated[str | None, typer.Option("--quotes", help=describe(DataConfig, "quotes"))]
Escape = Annotated[str | None, typer.Option("--escape", help=describe(DataConfig, "escape"))]
_LABEL_SEPARATOR = typer.Option("--label-separator", help=describe(DataConfig, "label_separator"))
Format = Annotated[str, _FORMAT]
Encoding = Annotated[str, _ENCODING]
LabelSeparator = Annotated[str | None, _LABEL_SEPARATOR]
# For commands with a settings file: a default of the option must not override the file.
FormatIfGiven = Annotated[str | None, _FORMAT]
EncodingIfGiven = Annotated[str | None, _ENCODING]
MultiLabel = Annotated[
    bool | None, typer.Option("--multi-label/--single-label", help=describe(DataConfig, "multi_label"))
]
Regression = Annotated[bool | None, typer.Option("--regression", help=describe(DataConfig, "regression"))]
Ordinal = Annotated[str | None, typer.Option("--ordinal", metavar="G,G,...", help=describe(DataConfig, "ordinal"))]
Loss = Annotated[str | None, typer.Option("--loss", help=describe(TrainingConfig, "loss"))]
AllowRareLabels = Annotated[
    bool | None, typer.Option("--allow-rare-labels", help=describe(DataConfig, "allow_rare_labels"))
]
Hierarchy = Annotated[str | None, typer.Option("--hierarchy", metavar="HOW", help=describe(DataConfig, "hierarchy"))]
WeightColumn = Annotated[str | None, typer.Option("--weight-column", help=describe(DataConfig, "weight_column"))]
Tokenizer = Annotated[str | None, typer.Option("--tokenizer", help=describe(TextConfig, "tokenizer"))]
MaxLength = Annotated[int | None, typer.Option("--max-length", help=describe(TextConfig, "max_length"))]
Architecture = Annotated[str | None, typer.Option("--architecture", help=describe(ModelConfig, "architecture"))]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="fast: half the size; accurate: an ensemble of three networks merged into one, at three times the cost; "
        "pure: max pooling only, no wide branch, no length limit; or default",
    ),
]
Vectors = Annotated[str | None, typer.Option("--vectors", metavar="FILE", help=describe(ModelConfig, "vectors"))]
Coverage = Annotated[
    float | None,
    typer.Option("--coverage", metavar="SHARE", help="sets of labels that hold the true one for this share of rows"),
]
CoverageBy = Annotated[
    str | None, typer.Option("--coverage-by", metavar="label", help="the coverage holds for the rows of each label")
]
MinProbability = Annotated[
    float | None, typer.Option("--min-probability", metavar="P", help="flag rows below this probability as unsure")
]
MinAccuracy = Annotated[
    float | None,
    typer.Option(
        "--min-accuracy", metavar="SHARE", help="flag rows as unsure so that this share of the others is right"
    ),
]
NoneOfThese = Annotated[
    float | None,
    typer.Option(
        "--none-of-these",
        metavar="SHARE",
        help="flag texts of none of the labels as none_of_these; this share of texts like the held-out rows is not",
    ),
]
Calibrate = Annotated[
    str | None, typer.Option("--calibrate", metavar="HOW", help=describe(TrainingConfig, "calibrate"))
]
Characters = Annotated[
    str | None, typer.Option("--characters", metavar="HOW", help=describe(TrainingConfig, "characters"))
]
Epochs = Annotated[int | None, typer.Option("--epochs", help=describe(TrainingConfig, "epochs"))]
Patience = Annotated[int | None, typer.Option("--patience", help=describe(TrainingConfig, "patience"))]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help=describe(TrainingConfig, "batch_size"))]
LearningRate = Annotated[float | None, typer.Option("--learning-rate", help=describe(TrainingConfig, "learning_rate"))]
Seed = Annotated[int | None, typer.Option("--seed", help=describe(TrainingConfig, "seed"))]
Threads = Annotated[int | None, typer.Option("--threads", help=describe(TrainingConfig, "threads"))]
ClassWeight = Annotated[str | None, typer.Option("--class-weight", help=describe(TrainingConfig, "class_weight"))]
TeacherWeight = Annotated[
    float | None, typer.Option("--teacher-weight", metavar="SHARE", help=describe(TrainingConfig, "teacher_weight"))
]
FocalGamma = Annotated[float | None, typer.Option("--focal-gamma", help=describe(TrainingConfig, "focal_gamma"))]
Device = Annotated[str | None, typer.Option("--device", help=describe(TrainingConfig, "device"))]
Amp = Annotated[str | None, typer.Option("--amp", help=describe(TrainingConfig, "amp"))]
TimeLimit = Annotated[
    float | None, typer.Option("--time-limit", metavar="SECONDS", help=describe(TrainingConfig, "time_limit"))
]
MaxMemory = Annotated[
    str | None, typer.Option("--max-memory", metavar="SIZE", help=describe(TrainingConfig, "max_memory"))
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="resume an interrupted run with the same output folder, data and settings"),
]
CheckpointSeconds = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="seconds between two checkpoints, in OUTPUT.checkpoints")
]
ImageSize = Annotated[str | None, typer.Option("--image-size", metavar="HxW", help=describe(ImageConfig, "image_size"))]
RandomShift = Annotated[int | None, typer.Option("--random-shift", help=describe(ImageConfig, "random_shift"))]
RandomFlip = Annotated[
    bool | None, typer.Option("--random-flip/--no-random-flip", help=describe(ImageConfig, "random_flip"))
]
DevFraction = Annotated[float | None, typer.Option("--dev-fraction", help=describe(TrainingConfig, "dev_fraction"))]


def _options_of_file(context: typer.Context, file: Path | None) -> Path | None:
    """Use the run options in a settings file as defaults of the command's options with these names.

    Raises:
        ConfigError: the file cannot be read, or has a run option that the command lacks.
    """
    if file is None:
        return None
    said = {name: value for name, value in read_settings(file).items() if name in RUN_OPTIONS}
    own = {option.removeprefix("--"): param.name or "" for param in context.command.params for option in param.opts}
    if unknown := sorted(said.keys() - own.keys()):
        raise ConfigError(f"{file}: `{context.command.name}` has no option for {', '.join(unknown)}; leave it out")
    several = {param.name for param in context.command.params if getattr(param, "multiple", False)}
    lists = {name: [value] for name, value in said.items() if own[name] in several and isinstance(value, str)}
    context.default_map = {own[name]: value for name, value in {**said, **lists}.items()}
    return file


RUN_OPTIONS = (
    "dev",
    "test",
    "output",
    "folds",
    "teacher",
    "unlabelled",
    "from",
    "evidence",
    "report",
    "tensorboard",
    "resume",
    "checkpoint-seconds",
    "trials",
    "processes",
    "plot",
)
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        callback=_options_of_file,
        is_eager=True,
        help="TOML file of settings and options by name; the command line takes precedence",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="set any other setting, e.g. num_filters=50 or kernel_sizes=[2,3]"
    ),
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="DIR", help="folder to write report.html to, a page about the model")
]
TensorBoard = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="DIR", help="folder to write learning curves to, for TensorBoard"),
]
Json = Annotated[bool, typer.Option("--json", help="print the result as one JSON document")]


def promised(
    model: str | Path,
    labels: Any,
    coverage: float | None,
    coverage_by: str | None,
    min_probability: float | None,
    min_accuracy: float | None,
) -> Any:
    """Return the promise that these options ask for, or none.

    Raises:
        ConfigError: the options contradict each other or the model.
    """
    from textcnn.prediction.promised import load_promise
    from textcnn_cli import console

    if coverage_by not in (None, "label"):
        raise ConfigError(f"--coverage-by expects label, got {coverage_by!r}")
    asked: dict[str, Any] = {"coverage": coverage, "min_probability": min_probability, "min_accuracy": min_accuracy}
    return load_promise(model, labels, console.say, by_label=coverage_by is not None, **asked)


def data_config(
    text_column: list[str] | None,
    label_column: list[str] | None,
    format: str,
    encoding: str,
    *,
    label_separator: str | None = None,
    multi_label: bool | None = None,
    quotes: str | None = None,
    escape: str | None = None,
) -> DataConfig:
    """Return the options of reading a file, from the options of a command."""
    return DataConfig(
        tuple(text_column or ()),
        tuple(label_column or ()),
        format,
        encoding,
        label_separator,
        multi_label,
        quotes=quotes or "auto",
        escape=escape,
    )


def read_settings(file: Path) -> dict[str, Any]:
    """Read settings by name from a TOML file.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise ConfigError(f"{file}: expected a TOML file of settings: {err}") from err
    return {name: _open(name, value) for name, value in found.items()}


def merge_settings(file: Path | None, assignments: list[str] | None, options: dict[str, Any]) -> dict[str, Any]:
    """Merge settings by name from the TOML file, ``--set`` and the given options; later ones take precedence.

    Raises:
        ConfigError: the file cannot be read, or an assignment has no ``=``.
    """
    settings: dict[str, Any] = {}
    if file is not None:
        settings.update({name: value for name, value in read_settings(file).items() if name not in RUN_OPTIONS})
    for assignment in assignments or []:
        name, sign, value = assignment.partition("=")
        if not sign or not name:
            raise ConfigError(f"--set expects NAME=VALUE, got {assignment!r}")
        settings[name.strip()] = _open(name.strip(), _value(value.strip()))
    settings.update({name: value for name, value in options.items() if value is not None and value != ()})
    return settings


def _value(text: str) -> Any:
    """Parse a TOML value; text that is not valid TOML is returned as a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _open(name: str, value: Any) -> Any:
    """Convert the word ``none`` to None for settings that allow it, since TOML has no null."""
    return None if isinstance(value, str) and value.lower() == "none" and may_be_none(name) else value


def split_numbers(name: str, text: str | None) -> tuple[int, ...] | None:
    """Parse the comma-separated integers of the option ``name``; none if it was not given."""
    return split_list(name, text, int, "whole numbers")


def split_list(name: str, text: str | None, kind: Callable[[str], Value], expected: str) -> tuple[Value, ...] | None:
    """Parse a comma-separated list, converting each part by ``kind``; none if the option was not given.

    Raises:
        ConfigError: a part cannot be converted; the message names the option and what is ``expected``.
    """
    if text is None:
        return None
    try:
        return tuple(kind(part.strip()) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{name} expects {expected} with commas between them, got {text!r}") from None


def prepare_outputs(output: Path | None, plot: Path | None, table: Path | None) -> None:
    """Check, before a long measurement, that its output files can be written, and create their folders."""
    from textcnn.benchmark.plot import check_plot

    if plot is not None:
        check_plot(plot)
    for path in filter(None, (output, plot, table)):
        if path.is_dir():
            raise ConfigError(f"expected a file to write, got the folder {str(path)!r}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise ConfigError(f"expected a file that can be written, got {str(path)!r}: {err}") from err


class WithTexts(TyperCommand):
    """A command with texts as arguments; a text that begins with ``-`` gives an error that says how to write it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, and add the remedy to errors about texts that look like options.

        Raises:
            ConfigError: an argument looks like a short option, but contains blanks and is not the name of a file.
        """
        given = list(args)
        own = {name for param in self.params for name in param.opts} | set(ctx.help_option_names)
        for before, text in itertools.pairwise(itertools.takewhile(lambda argument: argument != "--", ["", *args])):
            is_option = text[:2] in own and " " in text and not before.startswith("-")
            if is_option and not os.path.exists(text[2:].strip()):
                way = f'textcnn {ctx.info_name} MODEL -- "{text}"'
                raise ConfigError(f"expected the option {text[:2]}, found {text!r}. If it is a text, write {way}")
        try:
            return super().parse_args(ctx, args)
        except Exception as err:
            option = getattr(
                err, "option_name", None
            )  # an attribute of NoSuchOption, a class of typer or of click by version
            if type(err).__name__ != "NoSuchOption" or option is None:
                raise
            text = next((argument for argument in given if argument.startswith(option)), option)
            way = f'textcnn {ctx.info_name} MODEL -- "{text}"'
            setattr(err, "message", f"No such option: {option}. If it is a text, write -- before it: {way}")  # noqa: B010
            raise


class OptionalValue(WithTexts):
    """A command with an option ``--explain [all]``, whose value is optional; typer does not support that."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the omitted value, then parse the arguments."""
        place = args.index("--explain") if "--explain" in args else len(args)
        if place < len(args):
            is_all = args[place + 1 : place + 2] == ["all"]
            args = [*args[:place], f"--explain={'all' if is_all else 'predicted'}", *args[place + 1 + is_all :]]
        return super().parse_args(ctx, args)
