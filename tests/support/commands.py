"""The command line, run in this process."""

from __future__ import annotations

from click.testing import Result
from typer.testing import CliRunner

from textcnn.errors import TextCNNError
from textcnn_cli.main import app


def invoke(*words: object, input: str | bytes | None = None) -> Result:
    """What a command has printed; an error of ours is raised as it is, any other end than 0 fails."""
    found = CliRunner().invoke(app, [*map(str, words)], input=input)
    if isinstance(found.exception, TextCNNError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found
