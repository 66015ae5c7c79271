from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress

import pytest

from textcnn.errors import ArtifactError
from textcnn.runs.output_lock import checkpoints_beside, checkpoints_folder

HOLD = """
import sys
from pathlib import Path
from textcnn.runs.output_lock import checkpoints_beside
with checkpoints_beside(Path(sys.argv[1])):
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that makes the model."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "model")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        yield process


def test_a_folder_in_use_is_an_error_until_that_process_ends(tmp_path, holder):
    output = tmp_path / "model"
    expected = (
        f"expected to be the only run that makes {str(output)!r}, but process {holder.pid} is making it; wait for"
    )
    with pytest.raises(ArtifactError, match=re.escape(expected)), checkpoints_beside(output):
        pass
    holder.kill()
    holder.wait()
    with checkpoints_beside(output):
        pass
    assert not checkpoints_folder(output).exists()


def test_another_model_beside_it_is_free(tmp_path, holder):
    with checkpoints_beside(tmp_path / "other"):
        pass


def test_the_same_folder_under_another_name_is_the_same(tmp_path, holder):
    (tmp_path / "model").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "model")
    with pytest.raises(ArtifactError, match="is making it"), checkpoints_beside(tmp_path / "link"):
        pass


def failing(output, work):
    with suppress(KeyError), checkpoints_beside(output):
        work()
        raise KeyError


def test_files_stay_when_the_run_fails_and_go_when_it_ends(tmp_path):
    output = tmp_path / "model"
    folder = checkpoints_folder(output)
    failing(output, lambda: (folder / "fit-001-step-1-x.safetensors").write_bytes(b"x"))
    assert [path.name for path in folder.iterdir()] == ["fit-001-step-1-x.safetensors"]
    with checkpoints_beside(output, resume=True) as checkpoints:
        assert len(checkpoints.files()) == 1
    assert not folder.exists()


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(tmp_path):
    failing(tmp_path / "model", lambda: None)
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "model.checkpoints").write_text("mine")
    expected = r"expected a folder for checkpoints at .*: File exists; choose another -o"
    with pytest.raises(ArtifactError, match=expected), checkpoints_beside(tmp_path / "model"):
        pass
    assert (tmp_path / "model.checkpoints").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_to_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ArtifactError, match="cannot write a model"), checkpoints_beside(tmp_path / "model"):
        pass
