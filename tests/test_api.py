"""From data to a predictor, as a user of the library has it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import textcnn
from textcnn.config import Config
from textcnn.errors import ArtifactError, ConfigError, DataError
from textcnn.inference.folder import CONFIG, FILES, TRAINING
from textcnn.inference.predictor import Predictor
from textcnn.runs import run_images, run_text
from textcnn.training.progress import Silent

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 2, "batch_size": 8}
TEXTS = [f"{word} film number {n}" for n in range(12) for word in ("good", "bad")]
LABELS = ["pos" if text.startswith("good") else "neg" for text in TEXTS]
PAIRS = list(zip(TEXTS, LABELS, strict=True))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """These models are so small that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Heard(Silent):
    """A reporter that remembers; it may do something at a step."""

    def __init__(self, at_step=None):
        self.said, self.steps, self.at_step = [], 0, at_step

    def say(self, message):
        self.said.append(message)

    def step(self, epoch, loss, tokens_per_second):
        self.steps += 1
        if self.at_step is not None:
            self.at_step(self.steps)


def weights(predictor):
    return {name: value.numpy().tobytes() for name, value in predictor.artifact.model.state_dict().items()}


def heard(data, *, dev=None, test=None, **settings):
    reporter = Heard()
    run = run_text(data, Config.from_flat({**TINY, **settings}), reporter, dev=dev, test=test)
    return run, "\n".join(reporter.said)


@pytest.fixture(scope="module")
def reference():
    return textcnn.train((TEXTS, LABELS), **TINY)


# ---------------------------------------------------------------------------------------------- forms of data


def _pandas(columns):
    import pandas

    return pandas.DataFrame(columns)


def _arrow(columns):
    import pyarrow

    return pyarrow.table(columns)


def _dataset(columns):
    import datasets

    return datasets.Dataset.from_dict(columns)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries themselves
@pytest.mark.parametrize(
    "make",
    [
        lambda columns: PAIRS,
        lambda columns: [{"text": text, "label": label} for text, label in PAIRS],
        dict,
        _pandas,
        _arrow,
        _dataset,
    ],
    ids=["pairs", "dicts", "columns", "pandas", "arrow", "dataset"],
)
def test_the_form_of_the_data_does_not_matter(reference, make):
    found = textcnn.train(make({"text": TEXTS, "label": LABELS}), **TINY)
    assert weights(found) == weights(reference)
    assert found.classes_ == ["neg", "pos"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "ft"])
def test_a_file_is_the_same_as_its_rows(reference, tmp_path, ending):
    path = tmp_path / f"train.{ending}"
    lines = {
        "csv": ["text,label", *(f"{text},{label}" for text, label in PAIRS)],
        "jsonl": [json.dumps({"text": text, "label": label}) for text, label in PAIRS],
        "ft": [f"__label__{label} {text}" for text, label in PAIRS],
    }[ending]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for source in (path, str(path)):
        assert weights(textcnn.train(source, **TINY)) == weights(reference)


# ---------------------------------------------------------------------------------------------- reproducible


def test_the_same_seed_gives_the_same_weights_another_seed_others(reference):
    torch.rand(7)  # the state of the global generator does not matter
    assert weights(textcnn.train(PAIRS, **TINY)) == weights(reference)
    assert weights(textcnn.train(PAIRS, **TINY, seed=1)) != weights(reference)


def test_another_process_trains_the_same_model(tmp_path):
    """Whatever the order of its sets and hash tables."""
    code = (
        "import json, sys, textcnn; from pathlib import Path\n"
        "for kind in ('word', 'wordpiece'):\n"
        "    folder = Path(sys.argv[1]) / kind\n"
        "    textcnn.train(json.load(open(sys.argv[2])), tokenizer=kind, output=folder, **json.loads(sys.argv[3]))"
    )
    settings = {**TINY, "threads": 1}
    rows = [{"text": f"{text} unrelated understanding", "label": label} for text, label in PAIRS]
    (tmp_path / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    command = [sys.executable, "-c", code, str(tmp_path / "there"), str(tmp_path / "rows.json"), json.dumps(settings)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "12345"})
    for kind in ("word", "wordpiece"):
        textcnn.train(rows, tokenizer=kind, output=tmp_path / "here" / kind, **settings)
        for name in set(FILES) - {"timing.json"}:
            here, there = ((tmp_path / place / kind / name).read_bytes() for place in ("here", "there"))
            assert here == there, f"{kind}: {name}"


def test_dev_and_test_rows_do_not_move_a_weight(reference):
    """Unless they choose another epoch than the last: vocabulary and order come from the training rows alone."""
    found = textcnn.train(PAIRS, test=[("never seen words", "pos")], **TINY)
    assert weights(found) == weights(reference)
    run, _ = heard(PAIRS, dev=[("never seen words", "pos")], epochs=1)
    assert weights(run.predictor) == weights(textcnn.train(PAIRS, **{**TINY, "epochs": 1}))


def test_a_trained_model_knows_its_texts():
    predictor = textcnn.train(PAIRS, **{**TINY, "epochs": 15})
    assert predictor.predict(TEXTS) == LABELS


# ----------------------------------------------------------------------------------------- what is written


def test_output_is_a_folder_that_loads(tmp_path):
    predictor = textcnn.train(PAIRS, output=tmp_path / "model", **TINY)
    assert {path.name for path in (tmp_path / "model").iterdir()} == set(FILES)
    loaded = textcnn.load(tmp_path / "model")
    assert weights(loaded) == weights(predictor)
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), predictor.predict_proba(TEXTS), atol=1e-6)
    same = Predictor.load(tmp_path / "model", runtime="torch")
    assert same.predict_proba(TEXTS).tobytes() == predictor.predict_proba(TEXTS).tobytes()
    assert textcnn.load(str(tmp_path / "model")).classes_ == ["neg", "pos"]


def test_a_place_that_cannot_be_written_is_told_before_training(tmp_path):
    (tmp_path / "file").touch()
    reporter = Heard()
    with pytest.raises(ArtifactError, match=r"found a file at '.*file'"):
        textcnn.train(PAIRS, output=tmp_path / "file", reporter=reporter, **TINY)
    assert reporter.said == []


def test_training_json_tells_the_run(tmp_path):
    settings = {**TINY, "architecture": "bag", "dropout": 0.25, "seed": 3}
    del settings["num_filters"]
    textcnn.train(PAIRS, dev=PAIRS[:6], test=PAIRS[:4], output=tmp_path / "model", **settings)
    written = json.loads((tmp_path / "model" / TRAINING).read_text(encoding="utf-8"))
    config = Config.from_dict(written["config"])
    assert (config.training.seed, config.training.epochs, config.model.settings) == (3, 2, {"dropout": 0.25})
    assert [entry["epoch"] for entry in written["history"]] == [1, 2]
    assert set(written["history"][0]) == {"epoch", "loss", "dev_accuracy", "dev_macro_f1", "dev_micro_f1"}
    assert written["examples"] == {"train": 24, "dev": 6, "test": 4}
    assert (written["architecture"], written["num_labels"], written["stopped"]) == ("bag", 2, "done")
    assert written["data"]["name"] == "<list>"
    assert len(written["data"]["fingerprint"]) == 64
    for part, rows in (("dev", 6), ("test", 4)):
        assert set(written[part]) == {"n", "accuracy", "macro_f1", "micro_f1", "ece", "per_label"}
        assert written[part]["n"] == rows
    assert set(written["calibration"]) == {"ece_before", "ece_after"}
    assert not {"train_seconds", "tokens_per_second"} & set(written)
    timing = json.loads((tmp_path / "model" / "timing.json").read_text(encoding="utf-8"))
    assert set(timing) == {"train_seconds", "tokens_per_second"}
    assert timing["train_seconds"] > 0
    again = json.loads((tmp_path / "model" / CONFIG).read_text(encoding="utf-8"))
    assert (again["architecture"], again["embedding_dim"], again["labels"]) == ("bag", 8, ["neg", "pos"])


def test_open_epochs_are_written_as_the_number_they_became():
    run, _ = heard(PAIRS)
    assert run.predictor.artifact.training["config"]["training"]["epochs"] == 2
    settings = {name: value for name, value in TINY.items() if name != "epochs"}
    run = run_text(PAIRS, Config.from_flat(settings), Silent())
    assert run.predictor.artifact.training["config"]["training"]["epochs"] == 10 == run.summary["epochs"]


def test_the_fingerprint_is_that_of_texts_and_labels(reference):
    def fingerprint(pairs):
        return textcnn.train(pairs, **TINY).artifact.training["data"]["fingerprint"]

    first = reference.artifact.training["data"]["fingerprint"]
    assert fingerprint(PAIRS) == first
    assert fingerprint([("x", "pos"), *PAIRS[1:]]) != first
    assert fingerprint([(TEXTS[0], "neg"), *PAIRS[1:]]) != first


# ------------------------------------------------------------------------------------------------- dev rows


def test_without_dev_rows_nothing_is_calibrated(reference):
    artifact = reference.artifact
    assert (artifact.temperature, artifact.thresholds) == (1.0, [0.5, 0.5])
    assert artifact.training["dev"] is None
    assert artifact.training["test"] is None
    assert artifact.training["calibration"] is None
    assert artifact.training["examples"] == {"train": 24, "dev": 0, "test": 0}


def test_a_fraction_is_held_out_of_every_label():
    run, said = heard(PAIRS, dev_fraction=0.25)
    training = run.predictor.artifact.training
    assert training["examples"] == {"train": 18, "dev": 6, "test": 0}
    assert {name: entry["support"] for name, entry in training["dev"]["per_label"].items()} == {"neg": 3, "pos": 3}
    assert "no dev rows" not in said
    assert run.summary["dev"]["n"] == 6


def test_dev_rows_and_a_fraction_are_one_too_many():
    with pytest.raises(
        DataError, match=r"expected dev rows or dev_fraction, got both \(dev_fraction is 0.2\); leave one out"
    ):
        textcnn.train(PAIRS, dev=PAIRS, dev_fraction=0.2, **TINY)


def test_a_fraction_of_too_few_rows():
    with pytest.raises(
        DataError, match=r"dev_fraction 0.01 of 24 rows is no row; raise it, or give dev rows of your own"
    ):
        textcnn.train(PAIRS, dev_fraction=0.01, **TINY)


def test_a_dev_label_unseen_in_training_is_told_and_counted_as_wrong():
    run, said = heard(PAIRS, dev=[("good film", "pos"), ("odd film", "odd")], test=[("odd film", "odd")])
    assert "dev labels unseen in training count as wrong: 'odd'" in said
    assert "test labels unseen in training count as wrong: 'odd'" in said
    assert run.summary["dev"]["per_label"]["odd"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert run.summary["dev"]["accuracy"] <= 0.5
    assert run.summary["test"]["accuracy"] == 0
    assert run.predictor.classes_ == ["neg", "pos"]


def test_only_unseen_dev_labels_leave_the_temperature_alone():
    run, _ = heard(PAIRS, dev=[("odd film", "odd")])
    assert run.predictor.artifact.temperature == 1.0
    assert run.summary["dev"]["accuracy"] == 0


def test_what_looks_wrong_in_the_data_is_told():
    twice = [("good film number 0", "neg"), ("same", "Pos"), *PAIRS]
    _, said = heard(twice, dev=[("SAME", "pos")], max_length=3, test=[("a b c d", "pos"), ("", "pos")])
    assert "warning: the labels 'Pos' and 'pos' differ only by case or blanks" in said
    assert "warning: 1 texts occur with different labels in the training data" in said
    assert "warning: 1 dev texts are training texts too" in said
    assert "note: 25 of 26 texts are cut after 3 tokens" in said
    assert "note: 1 of 2 texts are cut after 3 tokens" in said
    assert "1 text is empty" in said


def test_patience_stops_when_the_dev_metric_does_not_rise():
    dev = [("good film", "pos"), ("bad film", "neg")]
    run, _ = heard(PAIRS, dev=dev, epochs=30, patience=2, learning_rate=0.01)
    history = run.predictor.artifact.training["history"]
    assert run.stopped == "patience"
    assert len(history) < 30
    best = run.summary["best_epoch"]
    assert len(history) == best + 2
    assert history[best - 1]["dev_accuracy"] == max(entry["dev_accuracy"] for entry in history)
    assert all(entry["dev_accuracy"] < history[best - 1]["dev_accuracy"] for entry in history[: best - 1])


# ---------------------------------------------------------------------------------------------- multi-label


MANY = [(text, [label, "film"] if n % 3 else []) for n, (text, label) in enumerate(PAIRS)]


def test_a_multi_label_model_holds_rows_out_to_set_its_thresholds():
    run, said = heard(MANY)
    assert run.predictor.labels.multi_label
    assert run.predictor.classes_ == ["film", "neg", "pos"]
    assert "multi-label without dev rows: 10% of the rows are held out to set the thresholds" in said
    assert run.summary["examples"]["dev"] == 2
    assert len(run.predictor.artifact.thresholds) == 3
    assert all(isinstance(given, tuple) for given in run.predictor.predict(TEXTS))


def test_a_multi_label_set_too_small_to_hold_rows_out_is_trained_on_whole():
    run, said = heard([("a good film", ["pos"]), ("a bad film", ["neg"]), ("a film", [])])
    assert run.summary["examples"] == {"train": 3, "dev": 0, "test": 0}
    assert run.predictor.artifact.thresholds == [0.5, 0.5]
    assert "too few rows" in said


def test_a_multi_label_task_may_have_one_label():
    run, _ = heard([("good film", ["pos"]), ("bad film", [])] * 12, dev=[("good", ["pos"]), ("bad", [])])
    assert run.predictor.classes_ == ["pos"]
    assert set(run.summary["dev"]["per_label"]) == {"pos"}


def test_dev_rows_of_a_multi_label_task_are_read_alike(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,x|y\nb,x\nc,y\n", encoding="utf-8")
    (tmp_path / "dev.csv").write_text("text,label\na,x\nb,y\n", encoding="utf-8")
    run, _ = heard(tmp_path / "train.csv", dev=tmp_path / "dev.csv")
    assert run.predictor.labels.multi_label
    assert run.summary["dev"]["n"] == 2


# --------------------------------------------------------------------------------------------------- errors


def test_one_class_is_told_with_its_count():
    with pytest.raises(
        DataError, match=r"expected at least two labels to tell apart, found 'pos': 24; check the label"
    ):
        textcnn.train((TEXTS, ["pos"] * 24), **TINY)


@pytest.mark.parametrize(
    ("weight", "problem"),
    [
        ("fair", r"class_weight must be 'balanced' or a weight for each label, got 'fair'"),
        ({"odd": 2.0}, r"class_weight names the label 'odd'; the data has .*neg.*pos"),
        ({"pos": 0.0, "odd": 1.0}, r"'odd'; .*; class_weight of 'pos' must be above 0, got 0.0"),
        ({"pos": "much"}, r"class_weight must be str or a table of float or none, got \{'pos': 'much'\}"),
    ],
)
def test_class_weights_that_cannot_be_used(weight, problem):
    with pytest.raises(ConfigError, match=problem):
        textcnn.train(PAIRS, class_weight=weight, **TINY)


@pytest.mark.parametrize("weight", ["balanced", {"pos": 5}])
def test_class_weights_move_the_answer(reference, weight):
    few = [*PAIRS[:4], *[(text, label) for text, label in PAIRS if label == "neg"]]
    plain, weighted = (
        textcnn.train(few, **TINY, **({"class_weight": w} if w else {})).predict_proba(["film"]) for w in (None, weight)
    )
    assert weighted[0, 1] > plain[0, 1]


def test_an_unknown_setting_is_told_with_those_there_are():
    with pytest.raises(
        ConfigError,
        match=r"'kim' has no setting 'filters'; it has kernel_sizes, num_filters, pooling, k, activation, dropout",
    ):
        textcnn.train(PAIRS, filters=3)
    with pytest.raises(
        ConfigError, match=r"'bag' has no setting 'num_filters'; it has word_ngrams, ngram_rows, dropout"
    ):
        textcnn.train(PAIRS, architecture="bag", num_filters=3)
    with pytest.raises(ConfigError, match=r"architecture must be one of kim, .* \(text\), got 'lenet'"):
        textcnn.train(PAIRS, architecture="lenet")


def test_settings_are_checked_before_the_data_is_read():
    with pytest.raises(ConfigError, match=r"epochs must be 1 or more, got 0; batch_size must be 1 or more, got -1"):
        textcnn.train("nowhere.csv", epochs=0, batch_size=-1)
    with pytest.raises(DataError, match=r"found no file or folder 'nowhere.csv'"):
        textcnn.train("nowhere.csv")


@pytest.mark.parametrize("texts", [[""] * 4, ["", "good", "", "bad"], [" \n"] * 4])
def test_texts_without_a_token_can_be_trained_on(texts):
    predictor = textcnn.train((texts, ["a", "b"] * 2), dev=(texts, ["a", "b"] * 2), **TINY)
    assert np.isfinite(predictor.predict_proba(["", "x"])).all()


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "char"])
def test_every_tokenizer_trains(kind, tmp_path):
    predictor = textcnn.train(PAIRS, tokenizer=kind, output=tmp_path / "model", **TINY)
    assert len(predictor.predict(["good", "", "漢"])) == 3
    assert weights(textcnn.load(tmp_path / "model")) == weights(predictor)


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_every_seed_can_be_used(seed):
    assert textcnn.train(PAIRS[:8], **{**TINY, "epochs": 1}, seed=seed).artifact.training["stopped"] == "done"


# ---------------------------------------------------------------------------------------- it ends before its time


def interrupt(step):
    def at_step(number):
        if number == step:
            raise KeyboardInterrupt

    return at_step


def test_an_interrupted_run_saves_its_best_weights(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        textcnn.train(
            PAIRS, dev=PAIRS, output=tmp_path / "model", reporter=Heard(interrupt(5)), **{**TINY, "epochs": 4}
        )
    found = textcnn.load(tmp_path / "model").artifact.training
    assert (found["stopped"], found["epochs"], found["best_epoch"]) == ("interrupted", 1, 1)
    first, _ = heard(PAIRS, dev=PAIRS, epochs=4)
    assert found["history"] == first.predictor.artifact.training["history"][:1]


def test_a_run_interrupted_at_its_first_step_saves_what_it_has(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        textcnn.train(PAIRS, output=tmp_path / "model", reporter=Heard(interrupt(1)), **TINY)
    found = textcnn.load(tmp_path / "model")
    assert found.artifact.training["history"] == []
    assert np.isfinite(found.predict_proba(TEXTS)).all()


def test_a_diverging_run_never_gives_nan(tmp_path):
    with pytest.raises(textcnn.errors.TextCNNError, match=r"lower learning_rate \(now 1e\+30\) or set clip_norm"):
        textcnn.train(PAIRS, output=tmp_path / "model", **{**TINY, "epochs": 5}, learning_rate=1e30)
    assert not (tmp_path / "model").exists()


# --------------------------------------------------------------------------------------------------- images


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    from sklearn.datasets import load_digits

    from textcnn.image.formats import write_npz

    bunch = load_digits()
    folder = tmp_path_factory.mktemp("digits")
    keep = bunch.target[:150] < 4
    images, labels = bunch.images[:150][keep].astype(np.uint8), bunch.target[:150][keep]
    write_npz(folder / "train.npz", images[:45], labels[:45])
    write_npz(folder / "test.npz", images[45:], labels[45:])
    return folder


IMAGE = {"architecture": "lenet", "channels": [4, 4], "hidden_size": 16, "epochs": 3, "batch_size": 8}


def test_images_train_like_texts(digits, tmp_path):
    config = Config.from_flat({**IMAGE, "epochs": 12, "dev_fraction": 0.2})
    runs = [run_images(digits / "train.npz", config, Silent(), test=digits / "test.npz") for _ in range(2)]
    assert weights(runs[0].predictor) == weights(runs[1].predictor)
    assert runs[0].summary["examples"]["train"] + runs[0].summary["examples"]["dev"] == 45
    assert runs[0].summary["test"]["accuracy"] > 0.5
    loaded = textcnn.load(runs[0].predictor.save(tmp_path / "model"))
    pixels = np.random.default_rng(0).integers(0, 17, (4, 1, 8, 8), np.uint8)
    assert loaded.predict_proba(pixels).tobytes() == runs[0].predictor.predict_proba(pixels).tobytes()


def test_images_with_dev_rows_and_a_fraction_are_one_too_many(digits):
    config = Config.from_flat({**IMAGE, "dev_fraction": 0.2})
    with pytest.raises(DataError, match=r"expected dev rows or dev_fraction, got both \(dev_fraction is 0.2\)"):
        run_images(digits / "train.npz", config, Silent(), dev=digits / "test.npz")
    config = Config.from_flat({**IMAGE, "dev_fraction": 0.001})
    with pytest.raises(DataError, match=r"dev_fraction 0.001 of 45 rows is no row"):
        run_images(digits / "train.npz", config, Silent())


def test_an_image_label_unseen_in_training_is_told_and_counted_as_wrong(digits, tmp_path):
    from textcnn.image.formats import write_npz

    write_npz(tmp_path / "dev.npz", np.zeros((3, 8, 8), np.uint8), np.array([0, 1, 9]))
    reporter = Heard()
    run = run_images(digits / "train.npz", Config.from_flat(IMAGE), reporter, dev=tmp_path / "dev.npz")
    assert run.summary["dev"]["per_label"]["9"]["recall"] == 0
    assert any("dev labels unseen in training count as wrong: '9'" in line for line in reporter.said)


def test_images_without_labels_or_of_another_shape(digits, tmp_path):
    np.savez(tmp_path / "bare.npz", images=np.zeros((4, 8, 8), np.uint8))
    np.savez(tmp_path / "wide.npz", images=np.zeros((4, 8, 9), np.uint8), labels=np.arange(4))
    with pytest.raises(DataError, match="bare: expected labelled images, found images without labels"):
        run_images(tmp_path / "bare.npz", Config.from_flat(IMAGE), Silent())
    with pytest.raises(DataError, match=r"expected images of shape \(N, 1, 8, 8\) as in training, got \(4, 1, 8, 9\)"):
        run_images(digits / "train.npz", Config.from_flat(IMAGE), Silent(), test=tmp_path / "wide.npz")


def test_the_answer_to_an_unseen_word_does_not_depend_on_its_corpus_when_rare_words_are_unknown():
    rare = [(f"{text} rare{n}", label) for n, (text, label) in enumerate(PAIRS)]
    predictor = textcnn.train(rare, min_frequency=2, **TINY)
    texts = ["rare100 film", "rare101", "a rare102 good rare103", "rare104 rare1 rare2"]
    alone = [predictor.predict_proba([text])[0] for text in texts]
    np.testing.assert_allclose(predictor.predict_proba(texts), alone, atol=1e-6)
