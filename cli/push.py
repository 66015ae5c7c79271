"""`textcnn push`: a model folder onto the Hugging Face hub."""

from __future__ import annotations

from typing import Annotated

import typer

from textcnn_cli import options


def push(
    model: options.Model,
    repo_id: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="place on the hub; made if there is none")],
    public: Annotated[bool, typer.Option("--public", help="let everybody see it, if it is made now")] = False,
    message: Annotated[str | None, typer.Option("--message", help="of the commit")] = None,
) -> None:
    """Put a model on the Hugging Face hub, as one commit with its card; the token is in the variable HF_TOKEN.

    Example: textcnn push model owner/reviews; textcnn classify hf://owner/reviews "what a film"
    """
    from textcnn.folder.hub import push as push_folder

    print(push_folder(model, repo_id, private=not public, message=message))
