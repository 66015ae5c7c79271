"""Harm done to training; after each, the model that was there is whole, and the run comes to its model."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from tools.robustness.faults.rig import Loss, Rig, bytes_of, ended, kill


def killed(rig: Rig, place: Path) -> None:
    """SIGKILL at some moment, again and again; what was there stays whole, and --resume comes to the same bytes."""
    output = _with_a_model(rig, place)
    for number in range(rig.random.randint(1, 3)):
        process = rig.train(output, *(["--resume"] if number else []))
        rig.wait("train")
        kill(process)
        _require_whole(rig, output)
    rig.finish(rig.train(output, "--resume"), 0)
    rig.require_trained(output)


def signalled(rig: Rig, place: Path) -> None:
    """Ctrl-C or SIGTERM at some moment: its exit code, a whole model, and --resume comes to the same bytes."""
    output, number = place / "model", rig.random.choice([signal.SIGINT, signal.SIGTERM])
    process = rig.train(output)
    rig.wait("train")
    process.send_signal(number)
    rig.finish(process, 0, 128 + number, -number)  # before the interpreter has begun, the signal itself ends it
    rig.finish(rig.train(output, "--resume"), 0)
    rig.require_trained(output)


def filled(rig: Rig, place: Path) -> None:
    """A disk that is full at some point: an error, the model that was there whole, and with room again the new one."""
    output = _with_a_model(rig, place)
    room = rig.random.randint(1, len(rig.trained["model.safetensors"]) - 1)
    said = rig.finish(rig.train(output, most_bytes=room), 2)
    if "error: cannot write a model to" not in said:
        raise Loss(f"the full disk is not told: {said[-500:]}")
    if bytes_of(output) != bytes_of(rig.model):
        raise Loss("the model that was there is not whole")
    rig.finish(rig.train(output, "--resume"), 0)
    rig.require_trained(output)


def damaged(rig: Rig, place: Path) -> None:
    """Killed, and then the newest checkpoint is cut or changed: the one before is taken."""
    output = place / "model"
    process = rig.train(output)
    with ended(process):
        rig.wait("train")
    files = sorted((place / "model.checkpoints").glob("*.safetensors"))
    if files:
        data = bytearray(files[-1].read_bytes())
        where = rig.random.randrange(len(data))
        if rig.random.random() < 0.5:
            del data[where:]
        else:
            data[where] ^= 1 << rig.random.randrange(8)
        files[-1].write_bytes(data)
    rig.finish(rig.train(output, "--resume"), 0)
    rig.require_trained(output)


def raced(rig: Rig, place: Path) -> None:
    """Two runs for one folder: one makes the model, the other does too, later, or says that it is in use."""
    output = _with_a_model(rig, place)
    first = rig.train(output)
    with ended(first):
        rig.wait("train")
        second = rig.train(output)
        with ended(second):
            codes = []
            for process in (first, second):
                said = rig.finish(process, 0, 2)
                codes.append(process.returncode)
                if process.returncode == 2 and "is making it; wait for its end" not in said:
                    raise Loss(f"another error than that the folder is in use: {said[-500:]}")
    if 0 not in codes:
        raise Loss("neither run made the model")
    rig.require_trained(output)


def _with_a_model(rig: Rig, place: Path) -> Path:
    output = place / "model"
    shutil.copytree(rig.model, output)
    return output


def _require_whole(rig: Rig, output: Path) -> None:
    """The model that was there, or the new one."""
    if bytes_of(output) not in (bytes_of(rig.model), rig.trained):
        raise Loss("the folder holds neither the model that was there nor the new one")
