"""A folder appears whole or not at all, and nothing of the user's is lost for it."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from textcnn import atomic
from textcnn.atomic import previous_folder
from textcnn.errors import ArtifactError
from textcnn.folder.model_folder import replaced_folder, require_writable


def write(folder, content="new"):
    with replaced_folder(folder) as place:
        (place / "config.json").write_text(content, encoding="utf-8")


def content(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


@pytest.fixture(params=["exchange", "rename"])
def way(request, monkeypatch):
    """Systems that exchange two folders in one step, and systems that do not."""
    if request.param == "rename":
        monkeypatch.setattr(atomic, "_exchange", lambda first, second: False)
    return request.param


def test_a_new_folder_and_its_parents(tmp_path):
    write(tmp_path / "deep" / "er" / "model")
    assert content(tmp_path / "deep" / "er" / "model") == {"config.json": "new"}
    assert os.listdir(tmp_path / "deep" / "er") == ["model"]
    assert stat.S_IMODE((tmp_path / "deep" / "er" / "model").stat().st_mode) == 0o755


def test_what_was_there_is_replaced_whole(tmp_path, way):
    write(tmp_path / "model", "old")
    (tmp_path / "model" / "timing.json").touch()
    write(tmp_path / "model", "new")
    assert content(tmp_path / "model") == {"config.json": "new"}
    assert os.listdir(tmp_path) == ["model"]


def test_the_folder_in_use_is_never_without_a_model(tmp_path):
    """Where two folders can be exchanged there is no moment without one: the old one stays open and readable."""
    write(tmp_path / "model", "old")
    with (tmp_path / "model" / "config.json").open(encoding="utf-8") as old:
        write(tmp_path / "model", "new")
        assert old.read() == "old"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("a bug"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_folder_whole(tmp_path, error, way):
    write(tmp_path / "model", "old")

    def fail():
        with replaced_folder(tmp_path / "model") as place:
            (place / "config.json").write_text("half", encoding="utf-8")
            raise error

    with pytest.raises(BaseException, match=r"No space left on device|a bug|^$") as caught:
        fail()
    assert isinstance(caught.value, ArtifactError if isinstance(error, OSError) else type(error))
    assert content(tmp_path / "model") == {"config.json": "old"}
    assert os.listdir(tmp_path) == ["model"]


def test_a_failure_of_the_last_step_gives_the_old_folder_back(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_exchange", lambda first, second: False)
    write(tmp_path / "model", "old")
    rename = type(tmp_path).rename

    def fail(self, target):
        if self.name.startswith(".model.") and self != previous_folder(tmp_path / "model"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", fail)
    with pytest.raises(ArtifactError, match=r"cannot write a model to '.*model': Input/output error"):
        write(tmp_path / "model", "new")
    assert content(tmp_path / "model") == {"config.json": "old"}
    assert os.listdir(tmp_path) == ["model"]


def test_a_previous_folder_left_by_an_interrupted_save_goes_with_the_next(tmp_path, way):
    for _ in range(2):
        previous_folder(tmp_path / "model").mkdir()
        write(tmp_path / "model")
        assert os.listdir(tmp_path) == ["model"]


def test_a_link_to_a_folder_keeps_pointing_at_the_model(tmp_path):
    write(tmp_path / "version-1", "old")
    (tmp_path / "model").symlink_to("version-1", target_is_directory=True)
    write(tmp_path / "model", "new")
    assert (tmp_path / "model").is_symlink()
    assert content(tmp_path / "version-1") == {"config.json": "new"}
    assert sorted(os.listdir(tmp_path)) == ["model", "version-1"]


@pytest.mark.parametrize("check", [require_writable, write])
def test_a_file_in_the_way(tmp_path, check):
    (tmp_path / "model").write_text("mine", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"expected a folder to write the model to, found a file at '.*model'"):
        check(tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"cannot write a model to '.*model/inner': .*; choose another -o"):
        check(tmp_path / "model" / "inner")
    assert (tmp_path / "model").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("check", [require_writable, write])
def test_a_folder_that_holds_other_files_is_not_replaced(tmp_path, check):
    """`train data.csv -o .` must not take the data away."""
    write(tmp_path / "model", "old")
    (tmp_path / "model" / "thesis.tex").write_text("years", encoding="utf-8")
    (tmp_path / "model" / "data").mkdir()
    with pytest.raises(
        ArtifactError,
        match=r"expected a new, an empty or a model folder at '.*model', found one that holds 'data', 'thesis.tex'; "
        "choose another -o",
    ):
        check(tmp_path / "model")
    assert (tmp_path / "model" / "thesis.tex").read_text(encoding="utf-8") == "years"
    assert os.listdir(tmp_path) == ["model"]


def test_the_working_folder_is_replaced_only_if_it_is_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").touch()
    with pytest.raises(ArtifactError, match=r"found one that holds 'train.csv'"):
        require_writable(Path("."))


@pytest.mark.parametrize("mode", [0o500, 0o000])
@pytest.mark.parametrize("name", ["model", "deep/model"])
def test_a_place_without_permission(tmp_path, mode, name):
    (tmp_path / "locked").mkdir(mode=mode)
    code = (
        "import os, sys; from pathlib import Path; from textcnn.folder.model_folder import require_writable\n"
        "if os.geteuid() == 0: os.setuid(65534)  # root writes everywhere\n"
        "try: require_writable(Path(sys.argv[1]))\n"
        "except Exception as err: print(type(err).__name__, err)"
    )
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(folder.stat().st_mode | 0o111)
    command = [sys.executable, "-c", code, str(tmp_path / "locked" / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.match(
        r"ArtifactError cannot write a model to '.*model': Permission denied; choose another -o", done.stdout
    )


def test_a_place_that_cannot_be_written_at_all():
    with pytest.raises(ArtifactError, match=r"cannot write a model to '/proc/model': .*; choose another -o"):
        require_writable(Path("/proc/model"))


def test_asking_leaves_nothing_behind(tmp_path):
    require_writable(tmp_path / "model")
    assert os.listdir(tmp_path) == []
    write(tmp_path / "model", "old")
    require_writable(tmp_path / "model")
    assert content(tmp_path / "model") == {"config.json": "old"}
    assert os.listdir(tmp_path) == ["model"]
