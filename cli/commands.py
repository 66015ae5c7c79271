"""The commands by name; the module of one is imported when it is asked for, for all of them take a second."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

# What the list of commands says of each; the module of that name holds the command, a function, or a group, its `app`.
COMMANDS = {
    "train": "Train a text classifier on labelled texts.",
    "tune": "Search for better settings and train the best ones again.",
    "classify": "Classify texts, one answer for each row.",
    "evaluate": "Measure a model on labelled texts: accuracy, F1, calibration, and each label.",
    "explain": "Say why a text has its label: what each word and n-gram adds.",
    "what-if": "Find the words whose loss or change would change the label.",
    "inspect": "Show the layers of a model: shapes, receptive fields, parameters, time.",
    "phrases": "List the n-grams that a one-layer model answers to most.",
    "audit": "Find suspected label errors, leaking n-grams and duplicates in labelled texts.",
    "export": "Write a model in another form, or a smaller one.",
    "push": "Put a model on the Hugging Face hub.",
    "serve": "Answer texts over HTTP, and show a page to try the model.",
    "image": "Train, classify and measure with images.",
    "benchmark": "Measure speed and accuracy.",
    "data": "List, get and check data sets.",
    "documents": "Classify documents that are longer than memory, by parts.",
}


def command(name: str) -> Any:
    """The command or group of that name, with its options."""
    attribute = name.replace("-", "_")
    module = import_module(f"textcnn_cli.{attribute}")
    group = getattr(module, "app", None)
    if group is None:
        group = typer.Typer(add_completion=False)
        group.command(name, cls=getattr(module, "Command", None))(getattr(module, attribute))
    return typer.main.get_command(group)


class Named(TyperCommand):
    """A command of which only its name and a line are known, until it is run."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself."""
        return command(str(self.name)).make_context(info_name, args, parent, **extra)


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: Named(name, help=line) for name, line in COMMANDS.items()}
