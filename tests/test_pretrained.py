"""Pretrained vectors from the file to a saved model."""

import hashlib
import json

import huggingface_hub
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import textcnn
from textcnn.config import Config
from textcnn.errors import ConfigError, DataError
from textcnn.folder.model_folder import CONFIG, TRAINING
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Silent
from textcnn.runs import run_text
from textcnn.tokenization.tokenizer import PAD, UNKNOWN
from textcnn_cli.main import app

TEXTS = [f"{word} film number {n}" for n in range(6) for word in ("good", "bad")]
PAIRS = [(text, "pos" if text.startswith("good") else "neg") for text in TEXTS]
WORDS = ["superb", "good", "bad", "awful", "film", "of the", "number", "ok"]
TINY = {"num_filters": 4, "epochs": 2, "batch_size": 4, "threads": 1}


class Heard(Silent):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


@pytest.fixture
def rows(random):
    return random.normal(0, 0.5, (len(WORDS), 5)).round(3).astype(np.float32)


@pytest.fixture
def file(tmp_path, rows):
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{w} {' '.join(map(str, r))}\n" for w, r in zip(WORDS, rows, strict=True)), "utf-8")
    return path


def run(file, **settings):
    reporter = Heard()
    return run_text(PAIRS, Config.from_flat({**TINY, "vectors": str(file), **settings}), reporter), reporter.said


def table(model):
    embedding = model.embedding
    return (embedding.static if hasattr(embedding, "static") else embedding).word.weight.detach().numpy()


def test_coverage_is_said_and_stored(file):
    found, said = run(file)
    sentence = "vectors: 4 of 10 types (40%), 75% of the tokens; 3 further words kept"
    assert [line for line in said if line.startswith("vectors: ")] == [sentence]
    stored = found.predictor.artifact.training["vectors"]
    assert stored == found.summary["vectors"]
    assert (stored["name"], stored["dim"], stored["words"]) == ("vectors.txt", 5, 8)
    assert stored["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (stored["types"], stored["covered_types"], stored["kept"]) == (10, 4, 3)
    assert (stored["tokens"], stored["covered_tokens"]) == (48, 36)


def test_words_that_came_again_are_counted(file):
    file.write_text(file.read_text("utf-8") + "good 1 1 1 1 1\n", "utf-8")
    assert any("1 words came again, the first counts" in line for line in run(file)[1])


def test_rows_are_those_of_the_file_and_others_have_their_spread(file, rows):
    found, _ = run(file, embedding_channels="static")
    artifact = found.predictor.artifact
    names = artifact.inputs.tokenizer.types()
    assert names[:2] == [PAD, UNKNOWN]
    assert names[-3:] == ["superb", "awful", "ok"]
    own = table(artifact.model)
    for word, row in zip(WORDS, rows, strict=True):
        if word in names:
            np.testing.assert_array_equal(own[names.index(word)], row)
    others = own[[n for n, name in enumerate(names) if name not in WORDS]]
    assert 0.2 < others.std() < 1.0
    assert len(np.unique(others)) == others.size


@pytest.mark.parametrize("channels", ["fine-tuned", "static", "multichannel"])
def test_a_saved_model_needs_no_vectors(file, tmp_path, channels):
    predictor = run(file, embedding_channels=channels)[0].predictor
    asked = ["a superb film", "awful", "goodness", ""]
    expected = predictor.predict_proba(asked)
    predictor.save(tmp_path / "model")
    file.unlink()
    again = textcnn.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(asked), expected)
    by_torch = Predictor.load(tmp_path / "model", runtime="torch")
    np.testing.assert_allclose(by_torch.predict_proba(asked), expected, atol=1e-6)
    config = json.loads((tmp_path / "model" / CONFIG).read_text("utf-8"))
    assert (config["vectors"], config["embedding_channels"], config["keep_vectors"]) == ("vectors.txt", channels, 3)
    assert (config["embedding_dim"], config["wide_scale"]) == (5, 0.5)
    stored = (tmp_path / "model" / TRAINING).read_text("utf-8")
    assert str(tmp_path) not in stored
    training = json.loads(stored)["config"]["training"]
    assert (training["embedding_learning_rate"], training["vector_learning_rate"]) == (0.1, 0.02)


def test_folders_of_before_there_were_vectors_are_read(tmp_path):
    textcnn.train(PAIRS, output=tmp_path / "model", embedding_dim=5, nested=False, **TINY)
    path = tmp_path / "model" / CONFIG
    config = json.loads(path.read_text("utf-8"))
    for name in ("vectors", "keep_vectors", "embedding_channels"):
        del config[name]
    path.write_text(json.dumps({**config, "format_version": 1}), "utf-8")
    assert textcnn.load(tmp_path / "model").artifact.config.embedding_channels == "fine-tuned"


def test_static_rows_do_not_move_and_tuned_ones_do(file, rows):
    for channels, same in (("static", True), ("fine-tuned", False), ("multichannel", True)):
        artifact = run(file, embedding_channels=channels)[0].predictor.artifact
        good = artifact.inputs.tokenizer.types().index("good")
        assert np.array_equal(table(artifact.model)[good], rows[1]) == same
        if channels == "multichannel":
            assert not np.array_equal(artifact.model.embedding.tuned.word.weight[good].detach().numpy(), rows[1])


def test_the_same_seed_gives_the_same_weights(file):
    one, other = (
        run(file, embedding_channels="multichannel")[0].predictor.artifact.model.state_dict() for _ in range(2)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_ngram_rows_are_only_those_of_training_words(file):
    kept, none = (run(file, keep_vectors=n)[0].predictor.artifact for n in (None, 0))
    assert kept.inputs.lexicon.num_ngrams == none.inputs.lexicon.num_ngrams
    assert len(kept.inputs.tokenizer) == len(none.inputs.tokenizer) + 3


def test_without_vectors_the_open_settings_are_those_of_before():
    run_ = run_text(PAIRS, Config.from_flat({**TINY, "embedding_dim": 5}), Silent())
    config = run_.predictor.artifact.training["config"]
    assert (run_.predictor.artifact.config.wide_scale, config["training"]["embedding_learning_rate"]) == (1.0, 0.2)
    assert config["training"]["vector_learning_rate"] is None
    assert config["model"]["keep_vectors"] == 0
    assert run_.summary["vectors"] is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embedding_dim": 100}, "embedding_dim is 100, but the vectors of 'vectors.txt' have 5 numbers; leave it out"),
        ({"tokenizer": "bpe"}, "vectors are for whole words, got the tokenizer 'bpe'; use 'word'"),
        ({"tokenizer": "char"}, "vectors are for whole words, got the tokenizer 'char'; use 'word'"),
        (
            {"vectors": None, "embedding_channels": "static"},
            "embedding_channels is 'static', which needs vectors; name their file",
        ),
        ({"vectors": None, "keep_vectors": 9}, "keep_vectors is 9, which needs vectors; name their file"),
        ({"embedding_channels": "both"}, "embedding_channels must be fine-tuned, static, multichannel: .*, got 'both'"),
        ({"keep_vectors": -1}, "keep_vectors must be 0 or more, got -1"),
    ],
)
def test_settings_that_do_not_fit_are_told(file, settings, message):
    settings = {"vectors": str(file), **settings}
    with pytest.raises(ConfigError, match=message):
        run_text(PAIRS, Config.from_flat({**TINY, **settings}), Silent())


def test_vectors_of_another_language_are_told(tmp_path):
    (tmp_path / "v.txt").write_text("gut 1 2\nschlecht 3 4\n", "utf-8")
    with pytest.raises(DataError, match=r"v.txt: expected vectors of words in the training texts, found none in 2"):
        run(tmp_path / "v.txt")


def test_the_command_takes_vectors(file, tmp_path):
    data = tmp_path / "train.csv"
    data.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in PAIRS), "utf-8")
    options = (
        "--set",
        "embedding_channels=static",
        "--set",
        "num_filters=4",
        "--epochs",
        "1",
        "--threads",
        "1",
        "--json",
    )
    done = CliRunner().invoke(
        app, ["train", str(data), "--vectors", str(file), "-o", str(tmp_path / "model"), *options]
    )
    assert done.exit_code == 0, done.output
    assert "vectors: 4 of 10 types (40%), 75% of the tokens; 3 further words kept" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["vectors"]["covered_types"] == 4
    inspected = CliRunner().invoke(app, ["inspect", str(tmp_path / "model")])
    assert "formula and run agree in every layer" in inspected.stdout


def test_vectors_of_the_hub(file, monkeypatch):
    asked = []
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *where: asked.append(where) or str(file))
    found, _ = run("hf://owner/name/some/vectors.txt")
    assert asked == [("owner/name", "some/vectors.txt")]
    assert found.summary["vectors"]["name"] == "vectors.txt"
    assert found.predictor.artifact.config.vectors == "vectors.txt"
    with pytest.raises(DataError, match="expected hf://owner/name/file, found 'hf://owner/name'"):
        run("hf://owner/name")

    def fail(*_):
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(DataError, match=r"expected the file 'v.txt' of 'o/n' from the Hugging Face hub, found: no ro"):
        run("hf://o/n/v.txt")
