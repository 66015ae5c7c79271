"""A TOML file says all that settings and options say, each of them; what was trained with is stored, and is enough."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from textcnn.config import Config, DataConfig, ImageConfig, ModelConfig, TextConfig, TrainingConfig
from textcnn.errors import ConfigError, TextCNNError
from textcnn.folder.model_folder import TRAINING, WEIGHTS
from textcnn.models.registry import MODALITIES, settings_of
from textcnn_cli import options
from textcnn_cli.commands import command
from textcnn_cli.main import app

SECTIONS = {
    "data": DataConfig,
    "text": TextConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
    "image": ImageConfig,
}

# One line of TOML for each setting there is, and what it becomes.
LINES = {
    "text_column": ('text_column = ["title", "body"]', ("title", "body")),
    "label_column": ('label_column = "topic"', ("topic",)),
    "format": ('format = "tsv"', "tsv"),
    "encoding": ('encoding = "latin-1"', "latin-1"),
    "label_separator": ('label_separator = ";"', ";"),
    "multi_label": ("multi_label = true", True),
    "storage": ('storage = "disk"', "disk"),
    "quotes": ('quotes = "text"', "text"),
    "escape": ('escape = "backslash"', "backslash"),
    "allow_rare_labels": ("allow_rare_labels = true", True),
    "soft_column": ('soft_column = ["good", "bad"]', ("good", "bad")),
    "weight_column": ('weight_column = "sure"', "sure"),
    "regression": ("regression = true", True),
    "ordinal": ('ordinal = ["1", "2", "3"]', ("1", "2", "3")),
    "hierarchy": ('hierarchy = "/"', "/"),
    "tokenizer": ('tokenizer = "char"', "char"),
    "vocabulary_size": ("vocabulary_size = 500", 500),
    "min_frequency": ("min_frequency = 2", 2),
    "lowercase": ("lowercase = false", False),
    "normalization": ('normalization = "nfc"', "nfc"),
    "max_length": ("max_length = 9", 9),
    "architecture": ('architecture = "lstm"', "lstm"),
    "embedding_dim": ("embedding_dim = 7", 7),
    "binary_sigmoid": ("binary_sigmoid = true", True),
    "settings": ("settings = {num_filters = 5}", {"num_filters": 5}),
    "subwords": ("subwords = false", False),
    "ngram_min": ("ngram_min = 3", 3),
    "ngram_max": ("ngram_max = 5", 5),
    "ngram_buckets": ("ngram_buckets = 99", 99),
    "ngrams_per_token": ("ngrams_per_token = 7", 7),
    "wide": ("wide = false", False),
    "wide_scale": ("wide_scale = 2", 2.0),
    "vectors": ('vectors = "glove.txt"', "glove.txt"),
    "keep_vectors": ("keep_vectors = 0", 0),
    "vector_words": ('vector_words = "later.txt"', "later.txt"),
    "embedding_channels": ('embedding_channels = "static"', "static"),
    "calibrate": ('calibrate = "folds"', "folds"),
    "epochs": ("epochs = 3", 3),
    "loss": ('loss = "huber"', "huber"),
    "batch_size": ("batch_size = 8", 8),
    "batch_tokens": ('batch_tokens = "none"', None),
    "learning_rate": ("learning_rate = 1", 1.0),
    "embedding_optimizer": ('embedding_optimizer = "adam"', "adam"),
    "embedding_learning_rate": ("embedding_learning_rate = 0.5", 0.5),
    "vector_learning_rate": ("vector_learning_rate = 0.25", 0.25),
    "wide_learning_rate": ("wide_learning_rate = 0.25", 0.25),
    "warmup": ("warmup = 0.1", 0.1),
    "weight_decay": ("weight_decay = 1e-3", 1e-3),
    "clip_norm": ("clip_norm = 2.5", 2.5),
    "max_norm": ("max_norm = 3.0", 3.0),
    "label_smoothing": ("label_smoothing = 0.2", 0.2),
    "word_dropout": ("word_dropout = 0", 0.0),
    "rare_dropout": ("rare_dropout = 0.75", 0.75),
    "class_weight": ("class_weight = {pos = 2, neg = 1.5}", {"pos": 2.0, "neg": 1.5}),
    "focal_gamma": ("focal_gamma = 2", 2.0),
    "teacher_weight": ("teacher_weight = 0.5", 0.5),
    "dev_fraction": ("dev_fraction = 0.25", 0.25),
    "characters": ('characters = "none"', "none"),
    "character_scale": ("character_scale = 0.5", 0.5),
    "patience": ("patience = 2", 2),
    "ensemble": ("ensemble = 2", 2),
    "wide_megabytes": ("wide_megabytes = 8", 8.0),
    "time_limit": ("time_limit = 60", 60.0),
    "max_memory": ('max_memory = "2G"', "2G"),
    "seed": ("seed = 11", 11),
    "threads": ("threads = 1", 1),
    "device": ('device = "cpu"', "cpu"),
    "amp": ('amp = "bf16"', "bf16"),
    "image_size": ('image_size = "8x8"', "8x8"),
    "random_shift": ("random_shift = 1", 1),
    "random_flip": ("random_flip = true", True),
}
FIELDS = [(section, field.name) for section, kind in SECTIONS.items() for field in dataclasses.fields(kind)]


def config_from(tmp_path, text):
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return Config.from_flat(options.merge_settings(path, None, {}))


def test_every_setting_is_here():
    assert set(LINES) == {name for _, name in FIELDS}


@pytest.mark.parametrize(("section", "name"), FIELDS)
def test_a_file_says_every_setting(section, name, tmp_path):
    line, expected = LINES[name]
    found = getattr(getattr(config_from(tmp_path, line), section), name)
    assert found == expected
    assert type(found) is type(expected)
    assert found != getattr(SECTIONS[section](), name), "not the default, or it would prove nothing"


def test_all_of_them_together_are_the_same_and_survive_json(tmp_path):
    config = config_from(tmp_path, "\n".join(line for line, _ in LINES.values()))
    for section, name in FIELDS:
        assert getattr(getattr(config, section), name) == LINES[name][1]
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(("modality", "name"), [(m, name) for m, table in MODALITIES.items() for name in table])
def test_a_file_says_every_setting_of_an_architecture(modality, name, tmp_path):
    defaults = settings_of(modality, name)
    said = {key: value for key, value in defaults.items() if value is not None}  # what is open is left out
    lines = [f"{key} = {toml(value)}" for key, value in said.items()]
    config = config_from(tmp_path, "\n".join([f'architecture = "{name}"', *lines]))
    assert config.model.settings == {key: jsonable(value) for key, value in said.items()}


def test_none_is_null_where_a_setting_can_be_open_and_a_word_elsewhere(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('clip_norm = "none"\nnorm = "none"\nformat = "none"\n', encoding="utf-8")
    expected = {"clip_norm": None, "norm": "none", "format": "none"}
    assert options.merge_settings(path, None, {}) == expected
    assert options.merge_settings(None, ["clip_norm=None", "norm=none", "format=none"], {}) == expected


def jsonable(value):
    return json.loads(json.dumps(value))


def toml(value):
    """JSON is TOML for strings, numbers and lists; null is not."""
    return '"none"' if value is None else json.dumps(value)


# ------------------------------------------------------------------------------ options that are no settings


SAMPLES = {
    "dev": "d.csv",
    "test": "t.csv",
    "output": "out",
    "folds": 3,
    "teacher": "encoder",
    "unlabelled": "u.csv",
    "from": "old",
    "evidence": True,
    "report": "page",
    "tensorboard": "curves",
    "resume": True,
    "checkpoint-seconds": 5.0,
    "trials": 2,
    "processes": 2,
    "plot": "p.png",
}
COMMANDS = ("train", "image train", "tune")


def command_called(name):
    first, *others = name.split()
    found = command(first)
    for part in others:
        found = found.commands[part]
    return found


def names_of(name):
    """The options of a command by their long names."""
    params = command_called(name).params
    return {option.removeprefix("--") for one in params for option in one.opts if option.startswith("--")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_a_setting_or_one_of_the_run(command):
    of_settings = {name.replace("_", "-") for name in LINES} | {"preset"}
    # The file itself, what goes before it, how to print; what is required; a name that a setting has.
    elsewhere = {"config", "set", "json", "time-budget", "storage"}
    assert names_of(command) - of_settings - elsewhere - {"help"} <= set(options.RUN_OPTIONS)
    assert set(SAMPLES) == set(options.RUN_OPTIONS)


@pytest.mark.parametrize(
    ("command", "name"),
    [(command, name) for command in COMMANDS for name in SAMPLES if name in names_of(command)],
)
def test_a_file_says_every_option_of_the_run(command, name, tmp_path):
    """The command is called with the same arguments, whether the option or the file gives them."""
    value = SAMPLES[name]
    path = tmp_path / "settings.toml"
    path.write_text(f"{name} = {toml(value)}\nseed = 3\n", encoding="utf-8")
    heard = [
        arguments_of(command, [f"--{name}", *([] if value is True else [str(value)]), "--seed", "3"]),
        arguments_of(command, ["--config", str(path), "--seed", "3"]),
    ]
    assert heard[0] == heard[1] != arguments_of(command, ["--seed", "3"])
    given = options.merge_settings(path, None, {})
    assert given == {"seed": 3}, "an option of the run is no setting of the model"


def arguments_of(command, given):
    """What the function behind a command would be called with."""
    rest = ["--time-budget", "9"] if command == "tune" else []
    context = command_called(command).make_context(command, ["data.csv", *given, *rest])
    return {name: value for name, value in context.params.items() if name != "config"}


def test_what_a_command_has_no_option_for_is_told(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("folds = 3\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["image", "train", "x.npz", "--config", str(path)])
    assert isinstance(result.exception, ConfigError)
    assert "settings.toml: `train` has no option for folds; leave it out" in str(result.exception)


@pytest.mark.parametrize(("line", "problem"), [("dev = 3.5", "x.toml"), ("folds = 'many'", "folds")])
def test_an_option_of_another_type_is_told_as_on_the_command_line(line, problem, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(line, encoding="utf-8")
    result = CliRunner().invoke(app, ["train", "nothing.csv", "--config", str(path)])
    assert result.exit_code != 0
    assert isinstance(result.exception, (TextCNNError, SystemExit))


# ------------------------------------------------------------------------------------- what is stored is enough


def test_what_is_stored_trains_the_same_model_again(tmp_path, monkeypatch):
    rows = [f"{word} film {n},{label}" for n in range(10) for word, label in (("good", "pos"), ("bad", "neg"))]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.toml").write_text(
        'embedding_dim = 8\nnum_filters = 4\nkernel_sizes = [2, 3]\nseed = 5\nthreads = 1\nepochs = 2\noutput = "one"\n'
        'dev = "rows.csv"\nbatch_tokens = "none"\nclass_weight = "balanced"\n'
    )
    CliRunner().invoke(app, ["train", "rows.csv", "--config", "one.toml"], catch_exceptions=False)
    stored = json.loads((tmp_path / "one" / TRAINING).read_text())["config"]
    assert (stored["training"]["seed"], stored["training"]["batch_tokens"]) == (5, None)
    assert stored["model"]["wide"] is True, "what was left open is resolved"
    settings = {name: value for section in stored.values() for name, value in section.items() if name != "settings"}
    settings |= stored["model"]["settings"]
    lines = [f"{name} = {toml(value)}" for name, value in settings.items()]
    (tmp_path / "two.toml").write_text("\n".join(['output = "two"', 'dev = "rows.csv"', *lines]))
    CliRunner().invoke(app, ["train", "rows.csv", "--config", "two.toml"], catch_exceptions=False)
    assert (tmp_path / "two" / WEIGHTS).read_bytes() == (tmp_path / "one" / WEIGHTS).read_bytes()
    again = json.loads((tmp_path / "two" / TRAINING).read_text())["config"]
    assert again == stored
