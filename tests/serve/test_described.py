"""The server is asked what its own OpenAPI document allows and forbids, and answers as the document says."""

import os
import re
import subprocess
import sys

import pytest

EXAMPLES = os.environ.get("TEXTCNN_EXAMPLES", "25")  # of each operation; `make fuzz-serve` asks for more
TOKEN = "Bearer sesame"


def fuzz(server, folder, *options):
    """Schemathesis with all its checks; what it said."""
    pytest.importorskip("schemathesis")
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]
    address = f"http://127.0.0.1:{server.port}/openapi.json"
    settings = ["--checks", "all", "--max-examples", EXAMPLES, "--seed", "1", "--no-shrink", "--no-color"]
    done = subprocess.run(
        [*command, address, *settings, "--generation-database", "none", *options],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_answers_are_described(models, serving, tmp_path):
    # A multi-label model takes every setting, so that what the document allows is never refused.
    with serving(models / "multi", "--token-variable", "WORD", WORD="sesame") as server:
        said = fuzz(server, tmp_path, "-H", f"Authorization: {TOKEN}")
        assert re.search(r"Operations: +5 ", said), said
        _, _, counts = server.ask("GET", "/metrics", headers={"Authorization": TOKEN})
        for status in (200, 401, 422):
            assert f'{{path="/classify",status="{status}"}}' in counts, said
        assert server.lines[-1].startswith("ready: "), server.lines


def test_refusals_that_depend_on_the_model_are_described_too(server, tmp_path):
    said = fuzz(server, tmp_path, "--exclude-checks", "positive_data_acceptance", "--phases", "coverage")
    assert re.search(r"Operations: +5 ", said), said
