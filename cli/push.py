"""Implements `textcnn push`, which uploads a model folder to the Hugging Face hub."""

from __future__ import annotations

from typing import Annotated

import typer

from textcnn_cli import options


def push(
    model: options.Model,
    repo_id: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="repository on the hub; created if it is new")],
    public: Annotated[bool, typer.Option("--public", help="make the repository public if it is created")] = False,
    message: Annotated[str | None, typer.Option("--message", help="commit message")] = None,
) -> None:
    """Upload a model with its card to the Hugging Face hub as one commit, with the token in the variable HF_TOKEN.

    Example: textcnn push model owner/reviews; textcnn classify hf://owner/reviews "what a film"
    """
    from textcnn.folder.hub import push as push_folder

    print(push_folder(model, repo_id, private=not public, message=message))
