"""Harm done to classify; after each, what is written are right answers, and a second run writes them all."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.process_memory import with_children
from tools.robustness.faults.rig import Loss, Rig, kill


def killed(rig: Rig, place: Path) -> None:
    """SIGKILL at some moment."""
    process = rig.classify(place / "rows.jsonl", *_workers(rig))
    rig.wait("classify")
    kill(process)
    _again(rig, place)


def signalled(rig: Rig, place: Path) -> None:
    """Ctrl-C at some moment: exit 130, or it was done."""
    process = rig.classify(place / "rows.jsonl", *_workers(rig))
    rig.wait("classify")
    process.send_signal(signal.SIGINT)
    rig.finish(process, 0, 130, -signal.SIGINT)  # before the interpreter has begun, the signal itself ends it
    _again(rig, place)


def worker_killed(rig: Rig, place: Path) -> None:
    """One of two workers is killed: an error that says so, or it was done."""
    process = rig.classify(place / "rows.jsonl", "--workers", 2)
    until = time.monotonic() + 30
    while len(children := _workers_of(process.pid)) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(rig.random.uniform(0, rig.seconds["classify"]))
    for child in rig.random.sample(children, min(1, len(children))):
        _kill_one(child)
    said = rig.finish(process, 0, 2)
    if process.returncode == 2 and "worker processes ended before its work" not in said:
        raise Loss(f"another error than that a worker has ended: {said[-500:]}")
    _again(rig, place)


def filled(rig: Rig, place: Path) -> None:
    """The disk is full at some row: an error, and only whole answers before it."""
    room = rig.random.randint(1, sum(map(len, rig.answers)) - 1)
    said = rig.finish(rig.classify(place / "rows.jsonl", *_workers(rig), most_bytes=room), 2)
    if "cannot write answers" not in said:
        raise Loss(f"the full disk is not told: {said[-500:]}")
    _again(rig, place)


def damaged(rig: Rig, place: Path) -> None:
    """A file of the model is cut: an error that names it, before anything is written; or it is not needed."""
    model = place / "model"
    shutil.copytree(rig.model, model)
    file = rig.random.choice(["model.safetensors", "config.json", "tokenizer.json", "training.json", "timing.json"])
    data = (model / file).read_bytes()
    (model / file).write_bytes(data[: rig.random.randrange(len(data) - 1)])
    (place / "rows.jsonl").write_bytes(b"before\n")
    process = rig.classify(place / "rows.jsonl", model=model)
    said = rig.finish(process, 0, 2)
    if process.returncode == 0:
        rig.require_answers(place / "rows.jsonl")
        return
    if file not in said:
        raise Loss(f"the damaged {file} is not named: {said[-500:]}")
    if (place / "rows.jsonl").read_bytes() != b"before\n":
        raise Loss("answers of before are gone")


def raced(rig: Rig, place: Path) -> None:
    """The model is replaced by training while it is used: all answers are of one model."""
    model = place / "model"
    shutil.copytree(rig.model, model)
    training = rig.train(model)
    try:
        while training.poll() is None:
            process = rig.classify(place / "rows.jsonl", model=model)
            rig.finish(process, 0)
            if (place / "rows.jsonl").read_bytes() == b"".join(rig.answers):
                continue
            after = rig.finish(rig.classify(place / "new.jsonl", model=model), 0)
            if (place / "rows.jsonl").read_bytes() != (place / "new.jsonl").read_bytes():
                raise Loss(f"answers are of neither model: {after[-500:]}")
    finally:
        rig.finish(training, 0)
    rig.require_trained(model)


def _workers(rig: Rig) -> list[object]:
    return rig.random.choice([[], ["--workers", 2], ["--precision", "float32"]])


def _again(rig: Rig, place: Path) -> None:
    rig.require_beginning(place / "rows.jsonl")
    rig.finish(rig.classify(place / "rows.jsonl"), 0)
    rig.require_answers(place / "rows.jsonl")


def _workers_of(process: int) -> list[int]:
    """Its children that answer; another one looks after what they share."""
    found = []
    for child in with_children(process)[1:]:
        with suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def _kill_one(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
