"""A place to do harm in: rows, texts, a model and its answers as they should be, and processes of the command line."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TRAINING = ["--epochs", "12", "--dev-fraction", "0.2", "--threads", "1", "--set", "embedding_dim=16"]
TRAINING += ["--set", "num_filters=8", "--checkpoint-seconds", "0"]
MODEL_FILES = ("model.safetensors", "config.json", "tokenizer.json", "training.json")
SECONDS = 120  # after which a process is taken to hang


class Loss(AssertionError):
    """Something was lost, or a process ended in a way that is not promised."""


class Rig:
    """Everything in one folder; ``random`` decides every moment and place of a fault.

    Attributes:
        rows: CSV to train on.
        texts: CSV to classify, of :attr:`num_texts` rows.
        model: folder of a model of other rows, the one that is there already.
        trained: what training on ``rows`` gives, byte by byte.
        answers: lines that classifying ``texts`` with ``model`` gives.
        seconds: of training, and of classifying, undisturbed.
    """

    num_texts = 20_000

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.rows, self.texts, self.model = folder / "train.csv", folder / "texts.csv", folder / "old"
        _write_rows(self.rows, 600, "film")
        _write_rows(folder / "other.csv", 300, "play")
        lines = [f"{'good' if n % 3 else 'bad'} film number {n}, {'so ' * (n % 40)}long" for n in range(self.num_texts)]
        self.texts.write_text("text\n" + "".join(f'"{line}"\n' for line in lines), encoding="utf-8")
        self.finish(self.start("train", folder / "other.csv", "-o", self.model, *TRAINING), 0)
        began = time.monotonic()
        self.finish(self.train(folder / "new"), 0)
        self.seconds = {"train": time.monotonic() - began}
        self.trained = bytes_of(folder / "new")
        began = time.monotonic()
        self.finish(self.classify(folder / "answers.jsonl"), 0)
        self.seconds["classify"] = time.monotonic() - began
        self.answers = (folder / "answers.jsonl").read_bytes().splitlines(keepends=True)
        if len(self.answers) != self.num_texts:
            raise Loss(f"{len(self.answers)} answers to {self.num_texts} texts, and nothing was done to them")

    def start(self, *arguments: object, most_bytes: int | None = None) -> subprocess.Popen[str]:
        """A process of the command line, in a session of its own; files may have ``most_bytes``, as on a full disk."""

        def limit() -> None:
            if most_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        return subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-m", "textcnn_cli", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit,
            start_new_session=True,
        )

    def train(self, output: Path, *more: object, **options: int) -> subprocess.Popen[str]:
        """Training on ``rows``."""
        return self.start("train", self.rows, "-o", output, *TRAINING, *more, **options)

    def classify(self, output: Path, *more: object, model: Path | None = None, **options: int) -> subprocess.Popen[str]:
        """Classifying ``texts``."""
        return self.start("classify", model or self.model, "--input", self.texts, "--output", output, *more, **options)

    def finish(self, process: subprocess.Popen[str], *codes: int) -> str:
        """Wait for the end, which must have one of the exit codes and no traceback; gives what was said."""
        try:
            _, said = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            kill(process)
            raise Loss(f"it hangs: {process.args}") from None
        # A signal that itself ends the interpreter, while that starts, has Python's own words.
        if process.returncode not in codes or ("Traceback" in said and process.returncode >= 0):
            raise Loss(f"exit code {process.returncode}, expected {codes}: {said[-2000:]}")
        return said

    def wait(self, verb: str) -> None:
        """Until some moment of a run of that verb, its start and its end included."""
        time.sleep(self.random.uniform(0, 1.1 * self.seconds[verb]))

    def require_trained(self, output: Path) -> None:
        """The model is the one that training gives undisturbed."""
        if bytes_of(output) != self.trained:
            raise Loss(f"{output.name} is not the model of an undisturbed run")

    def require_answers(self, output: Path) -> None:
        """Every text has its answer, in order."""
        if output.read_bytes() != b"".join(self.answers):
            raise Loss(f"{output.name} does not hold every answer")

    def require_beginning(self, output: Path) -> None:
        """What is there are the first answers, the last of them perhaps cut."""
        if output.exists() and not b"".join(self.answers).startswith(output.read_bytes()):
            raise Loss(f"{output.name} holds answers that are none")


def bytes_of(model: Path) -> dict[str, bytes]:
    """The files of a model folder that do not hold times."""
    return {name: (model / name).read_bytes() for name in MODEL_FILES if (model / name).is_file()}


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the process and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@contextmanager
def ended(*processes: subprocess.Popen[str]) -> Iterator[None]:
    """Nothing that was started is left, whatever happens."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                kill(process)


def _write_rows(path: Path, count: int, word: str) -> None:
    lines = [f"{'good' if n % 2 else 'bad'} {word} number {n % 97},{'pos' if n % 2 else 'neg'}" for n in range(count)]
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
