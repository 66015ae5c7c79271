"""Learning curves are written as TensorBoard reads them; its own reader reads them back."""

import sys

import pytest

import textcnn
from textcnn.errors import ConfigError, MissingExtraError

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from textcnn.training.tensorboard import TensorBoard

ROWS = [(f"a {'good' if n % 2 else 'bad'} film {n}", "pos" if n % 2 else "neg") for n in range(24)]
SMALL = {"epochs": 3, "embedding_dim": 8, "num_filters": 4, "batch_size": 8, "threads": 1}


def curves(folder):
    """Steps and values of each curve."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    found = {}
    for tag in events.Tags()["scalars"]:
        points = events.Scalars(tag)
        found[tag] = [point.step for point in points], [point.value for point in points]
    return found


def test_curves_are_those_of_the_history(tmp_path):
    model = textcnn.train(ROWS, dev=ROWS, reporter=TensorBoard(tmp_path / "a" / "curves"), **SMALL)
    found = curves(tmp_path / "a" / "curves")
    assert set(found) == {
        *("step/loss", "step/tokens_per_second", "epoch/loss"),
        *("epoch/dev_accuracy", "epoch/dev_macro_f1", "epoch/dev_micro_f1"),
    }
    assert found["step/loss"][0] == list(range(1, 10))
    assert all(value > 0 for value in found["step/tokens_per_second"][1])
    history = model.artifact.training["history"]
    for name in ("loss", "dev_accuracy"):
        steps, values = found[f"epoch/{name}"]
        assert steps == [1, 2, 3]
        assert values == pytest.approx([entry[name] for entry in history], rel=1e-6)


def test_each_network_of_several_is_a_run(tmp_path):
    textcnn.train(ROWS, folds=2, reporter=TensorBoard(tmp_path), **SMALL)
    runs = [curves(tmp_path / name) for name in (".", "2", "3")]
    assert [run["epoch/loss"][0] for run in runs] == [[1, 2, 3]] * 3
    assert len({tuple(run["epoch/loss"][1]) for run in runs}) == 3
    assert not (tmp_path / "4").exists()


def test_what_stopped_early_is_on_disk_too(tmp_path):
    reporter = TensorBoard(tmp_path)
    reporter.start(9)
    reporter.step(0, 0.5, 10.0)
    reporter.stop()
    reporter.stop()
    assert curves(tmp_path)["step/loss"] == ([1], [0.5])


def test_a_place_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"expected a folder for TensorBoard, got '.*file': "):
        TensorBoard(tmp_path / "file")


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'textcnn\[tensorboard\]'"):
        TensorBoard(tmp_path)
