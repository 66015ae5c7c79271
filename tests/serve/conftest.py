"""Small models in folders, and a server as a process on a free port of the loopback, stopped by its id."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import torch

import textcnn

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 8, "threads": 1}
EVIL = "<img src=x onerror=\"document.title='taken'\">"
SINGLE = [(f"a good film {n}", "pos") for n in range(12)] + [(f"a bad film {n}", "neg") for n in range(12)]
MULTI = [("good film", ["glad", EVIL]), ("bad film", [EVIL]), ("good", ["glad"]), ("bad", [])] * 6


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    folder, threads = tmp_path_factory.mktemp("served"), torch.get_num_threads()
    textcnn.train(SINGLE, output=folder / "single", **TINY)
    renamed = [(text, {"pos": "plus", "neg": "minus"}[label]) for text, label in SINGLE]
    textcnn.train(renamed, output=folder / "renamed", **TINY)
    textcnn.train(MULTI, output=folder / "multi", **TINY)
    torch.set_num_threads(threads)
    return folder


class Served:
    """A running server."""

    def __init__(self, process):
        self.process, self.lines, self.port = process, [], 0
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self.lines.append("(end)")
            self._changed.notify_all()

    def wait_for(self, part, *, times=1, seconds=60):
        """The line of stderr that has this part, once there are so many."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._with(part)[times - 1 :] or "(end)" in self.lines, seconds)
            assert self._with(part)[times - 1 :], (part, found, self.lines)
            return self._with(part)[times - 1]

    def _with(self, part):
        return [line for line in self.lines if part in line]

    def close(self):
        self._reader.join(20)
        self.process.stderr.close()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method, path, body=None, *, headers=None, connection=None):
        """Status, headers and document (or text) of one request."""
        own = connection is None
        connection = connection or self.connect()
        headers = dict(headers or {})
        if isinstance(body, dict):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if own:
            connection.close()
        is_json = answer.getheader("content-type") == "application/json"
        return answer.status, dict(answer.getheaders()), json.loads(content) if is_json else content.decode()

    def classify(self, texts, *, connection=None, **settings):
        status, _, document = self.ask("POST", "/classify", {"texts": texts, **settings}, connection=connection)
        assert status == 200, document
        return document["results"]

    def metric(self, name):
        _, _, text = self.ask("GET", "/metrics")
        return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + " ")), 0.0)


@pytest.fixture(scope="session")
def no_torch(tmp_path_factory):
    """A folder with a torch that cannot be imported."""
    folder = tmp_path_factory.mktemp("no-torch")
    (folder / "torch.py").write_text("raise SystemExit('torch was imported')")
    return folder


@pytest.fixture(scope="session")
def serving(no_torch):
    """Start a server: a context that gives a :class:`Served` when it is ready; ``before``: words before the command."""

    @contextmanager
    def start(*arguments, ready=True, before=(), **variables):
        path = os.pathsep.join(filter(None, [str(no_torch), os.environ.get("PYTHONPATH", "")]))
        process = subprocess.Popen(
            # Tests started in the background inherit a SIGINT that is ignored.
            [*before, sys.executable, "-m", "textcnn_cli", "serve", *map(str, arguments), "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **variables},
        )
        server = Served(process)
        try:
            server.port = int(server.wait_for("serving at").rpartition(":")[2])
            if ready:
                server.wait_for("ready: ")
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            server.close()
        assert process.returncode in (0, -signal.SIGKILL), server.lines

    return start


@pytest.fixture(scope="session")
def server(models, serving):
    """One server with two models, for tests that change nothing."""
    limits = ["--max-texts", "300", "--max-text-length", "1000", "--max-body-bytes", "200000"]
    with serving(models / "single", f"multi={models / 'multi'}", *limits) as running:
        yield running


def until(check, seconds=30):
    """Wait for something that cannot be heard."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@pytest.fixture(scope="session")
def wait_until():
    return until
