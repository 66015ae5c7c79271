"""`textcnn train`: from a file to a folder, and what it says on the way."""

import json
import os
from itertools import count

import pytest
import torch
from typer.testing import CliRunner

import textcnn
from textcnn.errors import ArtifactError, ConfigError, DataError, TextCNNError
from textcnn.training.losses import BranchLoss
from textcnn_cli.main import app

TINY = ["--epochs", "2", "--threads", "1", "--set", "embedding_dim=8", "--set", "num_filters=4"]
KEYS = {  # DESIGN.md, section 10
    *("artifact", "architecture", "examples", "num_labels", "epochs", "train_seconds", "tokens_per_second", "road"),
    *("dev", "test"),
}
SCORES = ["n", "accuracy", "macro_f1", "micro_f1", "ece", "per_label"]


@pytest.fixture
def csv(tmp_path):
    rows = [f"{word} film {n},{label}" for n in range(10) for word, label in (("good", "pos"), ("bad", "neg"))]
    path = tmp_path / "train.csv"
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def train(tmp_path):
    """Run the command with a tiny model; errors are raised."""

    def invoke(*args, tiny=True):
        command = ["train", *(TINY if tiny else []), *map(str, args), "-o", str(tmp_path / "model")]
        found = CliRunner().invoke(app, command)
        if isinstance(found.exception, TextCNNError):
            raise found.exception
        return found

    return invoke


def config_of(folder):
    return json.loads((folder / "training.json").read_text(encoding="utf-8"))["config"]


def test_the_last_line_of_stdout_is_one_json_document(train, csv, tmp_path):
    found = train(csv, "--dev-fraction", "0.2", "--test", csv, "--json")
    assert found.exit_code == 0, found.output
    assert len(found.stdout.splitlines()) == 1
    summary = json.loads(found.stdout.splitlines()[-1], parse_constant=pytest.fail)
    assert set(summary) >= KEYS
    assert summary["artifact"] == str(tmp_path / "model")
    assert (summary["architecture"], summary["num_labels"], summary["epochs"]) == ("kim", 2, 2)
    assert summary["examples"] == {"train": 16, "dev": 4, "test": 20}
    assert list(summary["dev"]) == list(summary["test"]) == SCORES
    assert summary["train_seconds"] > 0
    assert summary["tokens_per_second"] > 0
    assert summary["road"] == "core"
    assert textcnn.load(tmp_path / "model").classes_ == ["neg", "pos"]


def test_without_dev_and_test_rows_they_are_null(train, csv):
    summary = json.loads(train(csv, "--json").stdout)
    assert (summary["dev"], summary["test"]) == (None, None)
    assert summary["examples"] == {"train": 20, "dev": 0, "test": 0}


def test_stdout_is_only_data_the_rest_goes_to_stderr(train, csv, tmp_path):
    found = train(csv, "--dev", csv)
    lines = found.stdout.splitlines()
    assert lines[0] == f"model: {tmp_path / 'model'}"
    assert lines[1].startswith("dev: accuracy ")
    assert len(lines) == 2
    for told in (
        "read 20 rows: text='text', label='label', 2 labels",
        "epoch 1: loss ",
        "saved ",
        "calibrated on 20 rows",
    ):
        assert told in found.stderr


OPEN = dict.fromkeys(("subwords", "ngram_min", "ngram_max", "ngram_buckets", "wide", "wide_scale"))


def test_options_reach_the_config(train, csv, tmp_path):
    found = train(
        *(csv, "--architecture", "bag", "--seed", 7, "--batch-size", 4, "--learning-rate", "0.5", "--max-length", 3),
        *("--class-weight", "balanced", "--tokenizer", "char", "--device", "cpu", "--epochs", 1, "--threads", 1),
        *("--set", "dropout=0.25", "--set", "embedding_dim = 6", "--set", "lowercase=false", "--set", "clip_norm=none"),
        tiny=False,
    )
    assert found.exit_code == 0, found.output
    config = config_of(tmp_path / "model")
    assert config["model"] | OPEN == {
        **OPEN,
        "architecture": "bag",
        "embedding_dim": 6,
        "binary_sigmoid": False,
        "settings": {"dropout": 0.25},
        "vectors": None,
        "keep_vectors": 0,
        "vector_words": None,
        "embedding_channels": "fine-tuned",
        "ngrams_per_token": 1024,
        "character_scale": None,
    }
    assert (config["text"]["tokenizer"], config["text"]["max_length"], config["text"]["lowercase"]) == (
        "char",
        3,
        False,
    )
    training = config["training"]
    assert (training["seed"], training["batch_size"], training["learning_rate"]) == (7, 4, 0.5)
    assert (training["class_weight"], training["device"], training["clip_norm"]) == ("balanced", "cpu", None)


def test_settings_may_be_lists_and_tables(train, csv, tmp_path):
    train(csv, "--set", "kernel_sizes=[2, 3]", "--set", "class_weight={pos = 2, neg = 1.5}", "--set", "activation=tanh")
    config = config_of(tmp_path / "model")
    assert config["model"]["settings"] == {"kernel_sizes": [2, 3], "activation": "tanh", "num_filters": 4}
    assert config["training"]["class_weight"] == {"pos": 2.0, "neg": 1.5}


def test_a_file_of_settings_gives_way_to_set_and_both_to_options(train, csv, tmp_path):
    toml = tmp_path / "settings.toml"
    toml.write_text("seed = 1\nbatch_size = 2\nword_dropout = 0.3\ndropout = 0.2\nepochs = 9\n", encoding="utf-8")
    train(csv, "--config", toml, "--set", "seed=3", "--set", "batch_size=4", "--seed", 5)
    config = config_of(tmp_path / "model")
    training = config["training"]
    assert (training["seed"], training["batch_size"], training["word_dropout"]) == (5, 4, 0.3)
    assert (training["epochs"], config["model"]["settings"]["dropout"]) == (2, 0.2)


def test_a_file_of_settings_can_say_how_the_data_is_read(train, tmp_path):
    """Options that were not given are no settings: their defaults must not cover those of the file."""
    rows = "nr,satz,klasse\n1,schön,gut\n2,häßlich,schlecht+laut\n3,groß,gut\n4,a,laut\n"
    (tmp_path / "odd.data").write_bytes(rows.encode("latin-1"))
    toml = tmp_path / "settings.toml"
    toml.write_text(
        'text_column = "satz"\nlabel_column = ["klasse"]\nformat = "csv"\nencoding = "latin-1"\n'
        'label_separator = "+"\nmulti_label = true\n',
        encoding="utf-8",
    )
    found = train(tmp_path / "odd.data", "--config", toml)
    assert found.exit_code == 0, found.output
    assert textcnn.load(tmp_path / "model").classes_ == ["gut", "laut", "schlecht"]
    data = config_of(tmp_path / "model")["data"]
    for name in ("quotes", "escape", "allow_rare_labels", "soft_column", "hierarchy", "regression", "ordinal"):
        data.pop(name)
    assert data == {
        "text_column": ["satz"],
        "label_column": ["klasse"],
        "format": "csv",
        "encoding": "latin-1",
        "label_separator": "+",
        "multi_label": True,
        "storage": "auto",
        "weight_column": None,
    }
    with pytest.raises(DataError, match="expected text in utf-8"):
        train(tmp_path / "odd.data", "--config", toml, "--encoding", "utf-8")


def test_several_text_and_label_columns(train, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("title,body,x,y\nA,good,1,0\nB,bad,0,1\nC,so so,1,1\n", encoding="utf-8")
    columns = ["--text-column", "title", "--text-column", "body", "--label-column", "x", "--label-column", "y"]
    found = train(path, *columns, "--dev", path)
    assert found.exit_code == 0, found.output
    predictor = textcnn.load(tmp_path / "model")
    assert (predictor.classes_, predictor.labels.multi_label) == (["x", "y"], True)


def test_single_label_is_said_by_an_option(train, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,x|y\nb,z\nc,x|y\nd,z\n", encoding="utf-8")
    train(path, "--single-label")
    assert textcnn.load(tmp_path / "model").classes_ == ["x|y", "z"]
    assert "multi-label" in train(path).stderr
    assert textcnn.load(tmp_path / "model").classes_ == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (["--set", "num_filters"], ConfigError, "--set expects NAME=VALUE, got 'num_filters'"),
        (["--set", "=3"], ConfigError, "--set expects NAME=VALUE, got '=3'"),
        (["--set", "filters=3"], ConfigError, "'kim' has no setting 'filters'; it has kernel_sizes, num_filters"),
        (["--set", "num_filters=many"], ConfigError, "many"),
        (["--architecture", "lenet"], ConfigError, r"architecture must be one of kim, .* got 'lenet'"),
        (["--batch-size", "0"], ConfigError, "batch_size must be 1 or more, got 0"),
        (["--encoding", "utf-99"], ConfigError, "encoding must be one Python knows, .* got 'utf-99'"),
        (["--format", "xml"], ConfigError, "format must be auto, .* got 'xml'"),
        (["--tokenizer", "words"], ConfigError, "tokenizer must be one of word, .* got 'words'"),
        (["--text-column", "body"], DataError, r"expected a column 'body', found 'text', 'label'"),
        (["--dev", "nowhere.csv"], DataError, "found no file or folder 'nowhere.csv'"),
        (["--device", "cuda"], ConfigError, "device is 'cuda', but torch finds no CUDA device"),
    ],
)
def test_faults_of_the_user(train, csv, tmp_path, args, error, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(error, match=message):
        train(csv, *args)
    assert not (tmp_path / "model").exists()
    assert os.listdir(tmp_path) == ["train.csv"]


@pytest.mark.parametrize("content", [b"seed = ", b"\xff\xfe", b"seed = 1\nseed = 2\n"])
def test_a_file_of_settings_that_is_no_toml(train, csv, tmp_path, content):
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.toml: expected a TOML file of settings: .+"):
        train(csv, "--config", tmp_path / "bad.toml")
    with pytest.raises(ConfigError, match=r"nowhere\.toml: expected a TOML file of settings: .*No such file"):
        train(csv, "--config", tmp_path / "nowhere.toml")


def test_a_place_that_cannot_be_written_is_told_before_the_data_is_read(train, csv, tmp_path):
    (tmp_path / "model").touch()
    with pytest.raises(ArtifactError, match=r"found a file at '.*model'"):
        train("nowhere.csv")


def test_a_folder_with_the_data_in_it_is_no_place_for_a_model(csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["train", "train.csv", "-o", ".", *TINY])
    assert isinstance(found.exception, ArtifactError)
    assert "found one that holds 'train.csv'; choose another -o" in str(found.exception)
    assert csv.exists()


def test_a_loss_that_is_no_number_in_the_first_epoch_saves_nothing(train, csv, tmp_path):
    with pytest.raises(TextCNNError, match=r"at step 2; lower learning_rate \(now 1e\+30\) or set clip_norm"):
        train(csv, "--learning-rate", "1e30", "--batch-size", 4)
    assert not (tmp_path / "model").exists()


def test_a_loss_that_is_no_number_later_on_saves_the_best_weights_and_is_exit_2(train, csv, tmp_path, monkeypatch):
    forward, calls = BranchLoss.forward, count()

    def fail(self, *arguments):
        loss, branches = forward(self, *arguments), arguments[0]
        return loss * float("nan") if branches.main.requires_grad and next(calls) > 4 else loss

    monkeypatch.setattr(BranchLoss, "forward", fail)
    found = train(
        csv, "--epochs", 50, "--json", "--set", "pooling=kmax"
    )  # by torch; one batch an epoch, and one to estimate the time
    assert found.exit_code == 2
    last = found.stderr.splitlines()[-1]
    assert last.startswith("error: the loss became nan at step 5; lower learning_rate")
    assert last.endswith("(the weights of epoch 4 were saved)")
    summary = json.loads(found.stdout.splitlines()[-1])
    assert (summary["stopped"], summary["epochs"], summary["best_epoch"]) == ("diverged", 4, 4)
    assert textcnn.load(tmp_path / "model").predict(["good film", ""])


def test_a_file_name_that_is_no_unicode(train, csv, tmp_path):
    odd = tmp_path / os.fsdecode(b"caf\xe9.csv")
    csv.rename(odd)
    found = train(odd, "--json")
    assert found.exit_code == 0, found.output
    assert textcnn.load(tmp_path / "model").artifact.training["data"]["name"] == str(odd)


def test_weights_and_focal_loss_are_settings_of_a_run(train, tmp_path):
    path = tmp_path / "weighted.csv"
    rows = [f"{word} film {n},{label},{n}" for n in range(5) for word, label in (("good", "pos"), ("bad", "neg"))]
    path.write_text("\n".join(["text,label,sure", *rows]) + "\n", encoding="utf-8")
    found = train(path, "--weight-column", "sure", "--focal-gamma", "1.5", "--class-weight", "balanced")
    assert found.exit_code == 0
    config = config_of(tmp_path / "model")
    assert config["data"]["weight_column"] == "sure"
    assert (config["training"]["focal_gamma"], config["training"]["class_weight"]) == (1.5, "balanced")
    assert "2 rows of weight 0 were left out" in found.stderr
    with pytest.raises(ConfigError, match=r"focal_gamma must be 0 or more, got -1\.0"):
        train(path, "--focal-gamma", "-1")
