"""Locks the output folder of a run, so that only one run writes it at a time, and provides its checkpoint folder."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from textcnn.errors import ArtifactError
from textcnn.folder.model_folder import require_writable
from textcnn.training.checkpoints import SECONDS, Checkpoints

if sys.platform != "win32":
    import fcntl

_PROCESS = "process"  # file with the id of the process that has the lock


def checkpoints_folder(output: Path) -> Path:
    """Return the folder for the checkpoints of a run that writes the model folder ``output``."""
    place = Path(os.path.realpath(output))
    return place.with_name(f"{place.name}.checkpoints")


@contextmanager
def checkpoints_beside(
    output: Path,
    *,
    resume: bool = False,
    say: Callable[[str], None] = lambda message: None,
    seconds: float = SECONDS,
) -> Iterator[Checkpoints]:
    """Lock the output of a run and yield its checkpoints, which are deleted at the end of the block.

    If the block fails they are kept, and a run with ``resume`` continues from them.

    Args:
        output: the folder of the model.
        resume: whether to continue from the checkpoints of an earlier run.
        say: called with each message.
        seconds: the interval between two checkpoints.

    Raises:
        ArtifactError: the model cannot be written there, or another run is writing it.
    """
    require_writable(output)
    folder = checkpoints_folder(output)
    with _locked(folder, output):
        _write_process(folder)
        try:
            yield Checkpoints(folder, resume=resume, say=say, seconds=seconds)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            with suppress(OSError):
                (folder / _PROCESS).unlink(missing_ok=True)
                folder.rmdir()  # fails, and so keeps the folder, if there are checkpoints in it


@contextmanager
def _locked(folder: Path, output: Path) -> Iterator[None]:
    """Create the folder and lock it for this process; the lock is released however the process ends (flock(2))."""
    descriptor = None
    while descriptor is None:
        try:
            folder.mkdir(exist_ok=True)
            if sys.platform == "win32":  # there is no flock on Windows, so runs are not kept apart
                break
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as err:
            raise ArtifactError(
                f"expected a folder for checkpoints at {str(folder)!r}: {err.strerror}; choose another -o"
            ) from err
        _lock(descriptor, folder, output)
        if not _is_still(descriptor, folder):  # the previous run deleted the folder between open and lock
            os.close(descriptor)
            descriptor = None
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int, folder: Path, output: Path) -> None:
    assert sys.platform != "win32"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ArtifactError(
            f"expected to be the only run that makes {str(output)!r}, but {_holder(folder)} is making it; wait for its "
            f"end, or choose another -o"
        ) from None
    except OSError:  # the file system does not support locks
        pass


def _is_still(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False


def _write_process(folder: Path) -> None:
    with suppress(OSError):  # the id is only used in an error message
        (folder / _PROCESS).write_text(f"{os.getpid()}\n", encoding="ascii")


def _holder(folder: Path) -> str:
    try:
        return f"process {int((folder / _PROCESS).read_text(encoding='ascii'))}"
    except (OSError, ValueError):
        return "another process"
