"""Real signals to real processes: reload, graceful stop, workers."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from textcnn.folder.model_folder import replaced_folder


def replace(folder, other):
    with replaced_folder(folder) as place:
        shutil.copytree(other, place, dirs_exist_ok=True)


def hammer(server, seen, stop):
    """Ask on one connection until told to stop; every answer is in ``seen``, an error too."""
    connection = server.connect()
    try:
        while not stop.is_set():
            seen.append(server.classify(["a good film"], connection=connection)[0]["label"])
    except Exception as err:
        seen.append(err)
    connection.close()


def test_a_reload_drops_nothing_and_a_broken_one_changes_nothing(models, serving, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(models / "single", folder)
    with serving(folder) as server:
        seen, stop = [[], []], threading.Event()
        threads = [threading.Thread(target=hammer, args=(server, one, stop)) for one in seen]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        replace(folder, models / "renamed")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reloaded")
        (folder / "config.json").write_text("{")
        server.process.send_signal(signal.SIGHUP)
        assert "config.json" in server.wait_for("reload failed, the models are as before")
        time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join()
        for one in seen:
            assert set(one) == {"pos", "plus"}, one
            assert one == sorted(one, key=["pos", "plus"].index)  # never back again
        assert server.metric('textcnn_reloads_total{outcome="done"}') == 1
        assert server.metric('textcnn_reloads_total{outcome="failed"}') == 1


def test_a_stop_answers_what_has_begun(models, serving):
    with serving(models / "single") as server:
        found = []
        texts = [f"a good film {n} " * 40 for n in range(300)]
        thread = threading.Thread(target=lambda: found.append(server.classify(texts, explain="all")))
        thread.start()
        while not server.metric("textcnn_requests_in_progress"):
            time.sleep(0.01)
        server.process.send_signal(signal.SIGINT)  # SIGTERM ends the server of every other test
        thread.join(30)
        assert [len(rows) for rows in found] == [300]
        assert server.process.wait(30) == 0
        with pytest.raises(ConnectionRefusedError):
            server.ask("GET", "/health")


def test_workers_share_the_port_and_the_counters_and_are_replaced(models, serving, wait_until):
    with serving(models / "single", "--workers", "2") as server:
        server.wait_for("ready: ", times=2)
        pid = server.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            workers = [int(child) for child in file.read().split()]
        assert len(workers) == 2
        for _ in range(20):  # a connection each, so that both have some
            assert server.classify(["a good film"])[0]["label"] == "pos"
        assert server.metric('textcnn_texts_total{model="single"}') == 20
        os.kill(workers[0], signal.SIGKILL)
        server.wait_for("ended with exit code -9; another one starts")
        server.wait_for("ready: ", times=3)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reloaded", times=2)
        for _ in range(10):
            server.classify(["a good film"])
        assert server.metric('textcnn_texts_total{model="single"}') == 30
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            workers = [int(child) for child in file.read().split()]
        server.process.kill()  # the parent cannot say goodbye
        server.process.wait()
        wait_until(lambda: not any(os.path.exists(f"/proc/{worker}") for worker in workers), 20)


def run(*arguments):
    command = [sys.executable, "-m", "textcnn_cli", "serve", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_a_place_that_is_taken(server, models):
    code, said = run(models / "single", "--port", server.port)
    assert code == 2
    assert f"error: cannot listen at '127.0.0.1', port {server.port}: " in said


def test_a_model_that_cannot_be_loaded_ends_all_workers(models, tmp_path):
    shutil.copytree(models / "single", tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"damaged")
    code, said = run(tmp_path / "m", "--port", 0, "--workers", 2)
    assert code == 2
    assert "model.safetensors" in said
    assert "Traceback" not in said
