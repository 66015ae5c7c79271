"""Lists the commands by name; the module of a command is imported only when it is run, since all take a second."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

# The one-line help of each command; the module of that name has the command as a function, or a group as `app`.
COMMANDS = {
    "train": "Train a text classifier on labelled texts.",
    "tune": "Search for better settings and train a model with the best ones.",
    "classify": "Classify texts, with one answer for each row.",
    "filter": "Keep the documents of a corpus that a model selects.",
    "evaluate": "Measure a model on labelled texts: accuracy, F1, calibration, and each label.",
    "calibrate": "Fit the probabilities of a model to labelled rows that it was not trained on.",
    "drift": "Compare texts with those of training: words, labels, confidence and evidence.",
    "explain": "Explain a prediction by the contributions of words and n-grams.",
    "what-if": "Find the words whose deletion or replacement would change the label.",
    "inspect": "Show the layers of a model: shapes, receptive fields, parameters, time.",
    "phrases": "List the strongest n-grams of a one-layer model.",
    "audit": "Find suspected label errors, leaking n-grams and duplicates in labelled texts.",
    "export": "Export a model to ONNX or to tables, or compress it to a given size.",
    "push": "Upload a model to the Hugging Face hub.",
    "serve": "Serve models over HTTP, with a page to try them.",
    "image": "Train, apply and measure image classifiers.",
    "benchmark": "Measure speed and accuracy.",
    "data": "List, download and check data sets.",
    "documents": "Classify documents larger than memory, part by part.",
}


def command(name: str) -> Any:
    """Import and return the command or group of that name, with its options."""
    attribute = name.replace("-", "_")
    module = import_module(f"textcnn_cli.{attribute}")
    group = getattr(module, "app", None)
    if group is None:
        group = typer.Typer(add_completion=False)
        group.command(name, cls=getattr(module, "Command", None))(getattr(module, attribute))
    return typer.main.get_command(group)


class Named(TyperCommand):
    """A placeholder with the name and help line of a command, whose module is imported only when it is run."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the command and return its context."""
        return command(str(self.name)).make_context(info_name, args, parent, **extra)


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: Named(name, help=line) for name, line in COMMANDS.items()}
