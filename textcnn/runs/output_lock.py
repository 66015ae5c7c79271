"""A model folder that one run works on at a time, and the folder beside it where that run's checkpoints are."""

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

_PROCESS = "process"  # whose run it is


def checkpoints_folder(output: Path) -> Path:
    """Where the checkpoints of a run that makes the model folder ``output`` are."""
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
    """The checkpoints of a run that makes ``output``, for this run alone; gone when the block has come to its end.

    If the block fails they stay, and a run with ``resume`` goes on from there.

    Args:
        output: folder of the model.
        resume: go on from what an earlier run left.
        say: is told what is found, in sentences.
        seconds: how often one is written.

    Raises:
        ArtifactError: the model could not be written there, or another run is making it.
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
                folder.rmdir()  # stays where it holds anything


@contextmanager
def _locked(folder: Path, output: Path) -> Iterator[None]:
    """The folder is there, and this process's alone: the lock ends with the process, however that ends (flock(2))."""
    descriptor = None
    while descriptor is None:
        try:
            folder.mkdir(exist_ok=True)
            if sys.platform == "win32":  # two runs are not kept apart there
                break
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as err:
            raise ArtifactError(
                f"expected a folder for checkpoints at {str(folder)!r}: {err.strerror}; choose another -o"
            ) from err
        _lock(descriptor, folder, output)
        if not _is_still(descriptor, folder):  # the run before removed it in between
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
    except OSError:  # a file system without locks
        pass


def _is_still(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False


def _write_process(folder: Path) -> None:
    with suppress(OSError):  # only for a message
        (folder / _PROCESS).write_text(f"{os.getpid()}\n", encoding="ascii")


def _holder(folder: Path) -> str:
    try:
        return f"process {int((folder / _PROCESS).read_text(encoding='ascii'))}"
    except (OSError, ValueError):
        return "another process"
