"""From a folder to a hub and back through the command line: processes that know the stand-in by their environment."""

import json
import os
import subprocess
import sys

import pytest
from hub_stand_in import TOKEN, hub
from one_layer_models import make

pytest.importorskip("huggingface_hub")


def test_push_and_classify(tmp_path):
    folder = make().save(tmp_path / "model")
    with hub() as server:
        env = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN}
        env.pop("HF_HUB_OFFLINE", None)

        def run(*arguments):
            command = [sys.executable, "-m", "textcnn_cli", *map(str, arguments)]
            return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)

        done = run("push", folder, "somebody/reviews", "--public")
        assert (done.returncode, done.stdout) == (0, f"{server.url}/somebody/reviews\n"), done.stderr
        assert not server.repositories["somebody/reviews"].private
        del env["HF_TOKEN"]
        there = run("classify", "hf://somebody/reviews", "a good film")
        here = run("classify", folder, "a good film")
    assert json.loads(there.stdout) == json.loads(here.stdout), there.stderr
    missing = run("classify", "hf://somebody", "a good film")
    assert missing.returncode == 2
    assert missing.stderr.startswith(
        "error: expected hf://owner/name or hf://owner/name@revision, found 'hf://somebody'"
    )
