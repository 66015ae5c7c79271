"""Defines the `textcnn` command and its global options, and turns errors into messages and exit codes."""

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
    """Return lines with the backend, its instruction set (of the core only) and the threads, each with the reason."""
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
        typer.Option("--version", callback=_show_version, help="Show the version and exit; with -v, the backend too."),
    ] = False,
    # Eager, so that its value is known when --version is processed, whatever their order on the command line.
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", is_eager=True, help="Write more details to stderr.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Write only errors to stderr.")] = False,
) -> None:
    """Set the verbosity for every command."""
    console.set_level(-1 if quiet else 1 if verbose else 0)
    console.say_what_is_logged()


def main() -> None:
    """Run `textcnn`."""
    run(app)


def run(application: typer.Typer) -> None:
    """Run a command line: user errors give one line and exit code 2, Ctrl-C gives 130, bugs keep their traceback."""
    streams.prepare()
    # Imports create many objects and no garbage: collecting so often took a tenth of the time of a start.
    gc.set_threshold(200_000)
    # Idle threads should not spin on cores that others need: on a busy machine, spinning made training eight times
    # slower. OpenBLAS spins for 2 to the given power of ticks. pyarrow's own allocators take 64 MB of huge pages for
    # 5 MB. All are read when torch, numpy and pyarrow are imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
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
    except BrokenPipeError:  # the reader of stdout has exited (`| head`)
        code = 0
        streams.discard()
    except OSError as err:  # a missing file, a full disk
        code = _failed(f"{err.filename}: {err.strerror}" if err.filename else err.strerror or str(err))
    sys.exit(code)


def _run(application: typer.Typer) -> int | str | None:
    """Run the command and return its exit code; errors are raised."""
    try:
        application()
    except SystemExit as end:
        if not streams.has_reader():  # typer exits when the reader has gone
            raise BrokenPipeError from end
        return signals.exit_code() if end.code == 130 else end.code  # typer exits with 130 on an interrupt
    return 0


def _failed(message: str) -> int:
    """Show the error and return exit code 2, dropping output that stdout cannot take."""
    with suppress(TextCNNError, OSError):
        sys.stdout.flush()
    streams.discard()
    console.error(message)
    return 2
