"""The `textcnn` command: wiring and the one error boundary."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from textcnn import __version__
from textcnn.errors import TextCNNError, absent_dependency
from textcnn_cli import console, signals, streams
from textcnn_cli.commands import Commands

app = typer.Typer(
    name="textcnn",
    cls=Commands,
    help="Train a small text classifier on a labelled file, classify with it, and measure it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(context: typer.Context, value: bool) -> None:
    if value:
        typer.echo("\n".join([f"textcnn {__version__}", *(_describe_backend() if context.params["verbose"] else ())]))
        raise typer.Exit


def _describe_backend() -> list[str]:
    """Lines that say what does the work here and why: three, or two without the core, which has instruction sets."""
    from textcnn.core import backend_info

    found = backend_info()
    chosen = [("backend", found.backend, found.reason), ("threads", found.threads, found.threads_reason)]
    if found.instruction_set:
        chosen.insert(1, ("instruction set", found.instruction_set, found.instruction_set_reason))
    return [f"{name}: {value}" + (f" ({why})" if why else "") for name, value, why in chosen]


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, help="Show the version and stop; with -v, what does the work."
        ),
    ] = False,
    # Eager, so that it is known when --version, before or behind it, is answered.
    verbose: Annotated[bool, typer.Option("-v", "--verbose", is_eager=True, help="Say more on stderr.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say only errors on stderr.")] = False,
) -> None:
    """Options of every command."""
    console.set_level(-1 if quiet else 1 if verbose else 0)
    console.say_what_is_logged()


def main() -> None:
    """Run `textcnn`."""
    run(app)


def run(application: typer.Typer) -> None:
    """Run a command line: a user's error is one line and exit 2, Ctrl-C is exit 130, a bug keeps its traceback."""
    streams.prepare()
    gc.set_threshold(
        50_000
    )  # imports make many objects, none of which is garbage: looking for it took a tenth of a start
    # Threads that wait for work should not burn the cores others need: with spinning ones, a busy machine made training
    # eight times slower. It must be said before torch loads its thread library.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        code = _run(application)
        sys.stdout.flush()
    except TextCNNError as err:
        code = _failed(str(err))
    except ModuleNotFoundError as err:
        if (message := absent_dependency(err)) is None:
            raise
        code = _failed(message)
    except KeyboardInterrupt:
        code = signals.exit_code()
    except BrokenPipeError:  # the reader of our output has gone (`| head`)
        code = 0
        streams.discard()
    except OSError as err:  # of a file or a disk
        code = _failed(f"{err.filename}: {err.strerror}" if err.filename else err.strerror or str(err))
    sys.exit(code)


def _run(application: typer.Typer) -> int | str | None:
    """The exit code of the command; its errors are raised."""
    try:
        application()
    except SystemExit as end:
        if not streams.has_reader():  # typer ends where the reader goes
            raise BrokenPipeError from end
        return signals.exit_code() if end.code == 130 else end.code  # typer makes one of the interrupt
    return 0


def _failed(message: str) -> int:
    """Say why there is no answer; what stdout cannot take is not tried again."""
    with suppress(TextCNNError, OSError):
        sys.stdout.flush()
    streams.discard()
    console.error(message)
    return 2
