"""Workers that are killed, and models that are replaced, damaged or deleted under a running server."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

TEXTS = [f"a good film {n} " * 200 for n in range(300)]


def workers_of(server):
    pid = server.process.pid
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


@pytest.fixture
def folder(models, tmp_path):
    shutil.copytree(models / "single", tmp_path / "model")
    return tmp_path / "model"


def test_a_request_whose_worker_is_killed_is_broken_off_and_the_next_are_answered(folder, serving, wait_until):
    with serving(folder, "--workers", 2) as server:
        server.wait_for("ready: ", times=2)
        expected = server.classify(TEXTS, explain=True)
        outcomes = []

        def ask():
            try:
                outcomes.append(server.classify(TEXTS, explain=True) == expected)
            except (ConnectionError, http.client.HTTPException) as err:
                outcomes.append(err)

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        wait_until(lambda: server.metric("textcnn_requests_in_progress") >= 4)
        victim = workers_of(server)[0]
        os.kill(victim, signal.SIGKILL)
        server.wait_for("ended with exit code -9; another one starts")
        assert server.classify(["a good film"])[0]["label"] == "pos"
        for thread in threads:
            thread.join()
        assert len(outcomes) == 12
        assert False not in outcomes  # an answer is right, or there is none
        assert any(isinstance(one, Exception) for one in outcomes), "the victim had nothing to do"
        server.wait_for("ready: ", times=3)
        assert victim not in workers_of(server)
        assert server.metric("textcnn_requests_in_progress") == 0


def test_a_worker_that_cannot_come_back_leaves_the_others_alone(models, folder, serving):
    with serving(folder, "--workers", 2) as server:
        server.wait_for("ready: ", times=2)
        shutil.rmtree(folder)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reload failed, the models are as before: expected a model folder", times=2)
        os.kill(workers_of(server)[1], signal.SIGKILL)
        server.wait_for("could not load the models; another one starts in 2 s")
        for _ in range(10):
            assert server.classify(["a good film"])[0]["label"] == "pos"
        shutil.copytree(models / "renamed", folder)
        server.process.send_signal(signal.SIGHUP)  # does not wait for the time that was said
        server.wait_for("reloaded")
        server.wait_for("ready: ", times=3)
        for _ in range(10):
            assert server.classify(["a good film"])[0]["label"] == "plus"


def test_a_folder_that_is_written_over_in_place_changes_no_answer(models, folder, serving):
    texts = ["a good film", "a bad film", "words that nobody has seen", "good bad", "film 7"]
    with serving(folder) as server:
        for path in folder.iterdir():  # empty files: weights that are mapped would be gone
            os.truncate(path, 0)
        before = json.loads(json.dumps(server.classify([*texts, *texts], explain="full")))
        for path in (models / "multi").iterdir():
            shutil.copyfile(path, folder / path.name)
        assert server.classify([*texts, *texts], explain="full") == before
        assert before[0]["label"] == "pos"
        (folder / "model.safetensors").write_bytes(b"damaged")
        server.process.send_signal(signal.SIGHUP)
        said = server.wait_for("reload failed, the models are as before")
        assert str(folder / "model.safetensors") in said  # the folder that was given, not a copy of it
        assert server.classify([*texts, *texts], explain="full") == before


def test_a_stop_while_a_worker_is_being_replaced(folder, serving):
    with serving(folder, "--workers", 2) as server:
        server.wait_for("ready: ", times=2)
        for worker in workers_of(server):
            os.kill(worker, signal.SIGKILL)
        server.wait_for("another one starts", times=2)
        server.process.terminate()
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4])
def test_signals_before_the_workers_listen_for_them(folder, delay):
    command = [sys.executable, "-m", "textcnn_cli", "serve", str(folder), "--port", "0", "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        first = process.stderr.readline()
        assert "serving at" in first
        process.send_signal(signal.SIGHUP)
        time.sleep(delay)
        process.send_signal(signal.SIGHUP)
        process.terminate()
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in said
    assert "ended with exit code" not in said
