"""Harm done to a server of two workers; after each, every question that is answered is answered rightly."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.process_memory import with_children
from tools.robustness.faults.rig import TRAINING, Loss, Rig, ended

QUESTIONS = 60
_PATIENCE = 60.0  # seconds in which the server must answer again


class Server:
    """A server of the rig's model, and questions to it."""

    def __init__(self, rig: Rig, process: subprocess.Popen[str], model: Path, port: int) -> None:
        self.rig, self.process, self.model, self.port = rig, process, model, port

    def ask(self, number: int) -> None:
        """One question, again where the connection breaks or the server says so; the answer must be right."""
        expected = json.loads(self.rig.answers[number])
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                body = json.dumps({"texts": [expected["text"]]})
                connection.request("POST", "/classify", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                if answer.status == 200:
                    found = json.loads(content)["results"][0]["label"]
                    if found != expected["label"]:
                        raise Loss(f"a wrong answer: {found!r}, expected {expected['label']!r}")
                    return
                if answer.status < 500 and answer.status != 429:
                    raise Loss(f"a right question got {answer.status}: {content[:200]!r}")
            time.sleep(0.05)
        raise Loss("no answer any more")

    def ask_many(self) -> None:
        """Some of the texts, at random."""
        for _ in range(QUESTIONS):
            self.ask(self.rig.random.randrange(self.rig.num_texts))


def worker_killed(rig: Rig, place: Path) -> None:
    """A worker is killed between two questions, and another one later."""
    with _served(rig, place) as server:
        for _ in range(2):
            server.ask_many()
            workers = with_children(server.process.pid)[1:]
            if not workers:
                raise Loss("the server has no workers")
            with suppress(ProcessLookupError):
                os.kill(rig.random.choice(workers), signal.SIGKILL)
            server.ask_many()


def damaged(rig: Rig, place: Path) -> None:
    """The model's folder is damaged or gone, and SIGHUP asks to read it again: the old one goes on answering."""
    with _served(rig, place) as server:
        server.ask_many()
        if rig.random.random() < 0.5:
            shutil.rmtree(server.model)
        else:
            file = server.model / rig.random.choice(["model.safetensors", "config.json", "tokenizer.json"])
            replacement = file.with_name("cut")
            replacement.write_bytes(file.read_bytes()[:100])
            replacement.replace(file)  # as another program would: the file that is mapped stays what it is
        server.process.send_signal(signal.SIGHUP)
        server.ask_many()


def replaced(rig: Rig, place: Path) -> None:
    """The folder is replaced by the same model again and again, with a SIGHUP each time."""
    with _served(rig, place) as server:
        for _ in range(3):
            rig.finish(rig.start("train", rig.folder / "other.csv", "-o", server.model, *TRAINING), 0)
            server.process.send_signal(signal.SIGHUP)
            server.ask_many()


@contextmanager
def _served(rig: Rig, place: Path) -> Iterator[Server]:
    model = place / "model"
    shutil.copytree(rig.model, model)
    process = rig.start("serve", model, "--port", 0, "--workers", 2)
    with ended(process):
        assert process.stderr is not None
        port = 0
        for line in process.stderr:
            if "serving at" in line:
                port = int(line.rpartition(":")[2])
                break
        if not port:
            raise Loss("the server did not start")
        yield Server(rig, process, model, port)
        process.send_signal(signal.SIGTERM)
        rig.finish(process, 0)
