"""Settings: strict, all problems together, and the same after a trip through JSON."""

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.config import Config, DataConfig, ModelConfig, TextConfig, TrainingConfig, describe
from textcnn.errors import ConfigError
from textcnn.models.registry import MODALITIES, settings_of

SECTIONS = {"data": DataConfig, "text": TextConfig, "model": ModelConfig, "training": TrainingConfig}

words = st.text(max_size=8)
positive = st.integers(1, 10**9)
above_zero = st.floats(0, 100, exclude_min=True)
below_one = st.floats(0, 1, exclude_max=True)
names = st.lists(words, max_size=3).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words, lambda inner: st.lists(inner) | st.dictionaries(words, inner)
)
configs = st.builds(
    Config,
    st.builds(DataConfig, names, names, words, words, words, st.none() | st.booleans()),
    st.builds(TextConfig, words, st.integers(3, 10**9), positive, st.booleans(), st.none() | positive),
    st.builds(ModelConfig, words, positive, st.booleans(), st.dictionaries(words, json_values, max_size=3)),
    st.builds(
        TrainingConfig,
        epochs=st.none() | positive,
        learning_rate=above_zero,
        warmup=below_one,
        weight_decay=st.floats(0, 1),
        clip_norm=st.none() | above_zero,
        class_weight=st.none() | words | st.dictionaries(words, above_zero, max_size=3),
        dev_fraction=st.none() | below_one,
        seed=st.integers(0, 2**64 - 1),
        device=st.sampled_from(["auto", "cpu", "cuda"]),
    ),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(config=configs)
def test_a_config_is_the_same_after_a_trip_through_json(config):
    assert Config.from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False))) == config


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(config=configs)
def test_sections_are_found_by_the_names_of_their_settings(config):
    flat = {name: value for section in config.to_dict().values() for name, value in section.items()}
    assert Config.from_flat(flat) == config


def test_without_arguments_the_defaults():
    assert Config() == Config.from_dict({}) == Config.from_flat({})


def test_names_of_settings_are_unique_over_the_sections():
    found = [f.name for section in SECTIONS.values() for f in dataclasses.fields(section)]
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("batch_size", True, "int"),
        ("batch_size", 8.0, "int"),
        ("batch_size", "8", "int"),
        ("batch_size", None, "int"),
        ("embedding_dim", 8.0, "int or none"),
        ("vectors", 3, "str or none"),
        ("learning_rate", True, "float"),
        ("learning_rate", "fast", "float"),
        ("epochs", True, "int or none"),
        ("epochs", 2.5, "int or none"),
        ("lowercase", 1, "bool"),
        ("lowercase", "no", "bool"),
        ("multi_label", 0, "bool or none"),
        ("multi_label", "yes", "bool or none"),
        ("format", None, "str"),
        ("seed", False, "int"),
        ("dev_fraction", "0.1", "float or none"),
        ("text_column", 3, "a list of str"),
        ("text_column", ("a", 3), "a list of str"),
        ("text_column", None, "a list of str"),
        ("class_weight", 2, "str or a table of float or none"),
        ("class_weight", ["a"], "str or a table of float or none"),
        ("class_weight", {"a": "much"}, "str or a table of float or none"),
        ("class_weight", {"a": True}, "str or a table of float or none"),
        ("class_weight", {1: 2.0}, "str or a table of float or none"),
        ("settings", 5, "a table"),
        ("settings", ["num_filters"], "a table"),
        ("settings", None, "a table"),
    ],
)
def test_a_wrong_type_is_said_with_the_value(name, value, kind):
    with pytest.raises(ConfigError, match=rf"^{name} must be {kind}, got ") as flat:
        Config.from_flat({name: value})
    assert repr(value) in str(flat.value)
    section = next(key for key, kind in SECTIONS.items() if name in {f.name for f in dataclasses.fields(kind)})
    with pytest.raises(ConfigError, match=rf"^{name} must be {kind}, got "):
        Config.from_dict({section: {name: value}})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("vocabulary_size", 2, "more than 2"),
        ("min_frequency", 0, "1 or more"),
        ("max_length", 0, "1 or more"),
        ("max_length", -1, "1 or more"),
        ("embedding_dim", 0, "1 or more"),
        ("epochs", 0, "1 or more"),
        ("batch_size", -5, "1 or more"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", -1e-3, "above 0"),
        ("learning_rate", math.nan, "above 0"),
        ("learning_rate", math.inf, "above 0"),
        ("embedding_learning_rate", 0.0, "above 0"),
        ("embedding_optimizer", "sgd", "adagrad or adam"),
        ("vector_learning_rate", -1.0, "above 0"),
        ("warmup", 1.0, r"in \[0, 1\)"),
        ("warmup", -0.1, r"in \[0, 1\)"),
        ("weight_decay", -1e-9, "0 or more"),
        ("weight_decay", math.inf, "0 or more"),
        ("clip_norm", 0.0, "above 0"),
        ("max_norm", -1.0, "above 0"),
        ("label_smoothing", 1.0, r"in \[0, 1\)"),
        ("word_dropout", 1.5, r"in \[0, 1\)"),
        ("rare_dropout", -1.0, "0 or more"),
        ("dev_fraction", 1.0, r"in \[0, 1\)"),
        ("dev_fraction", math.nan, r"in \[0, 1\)"),
        ("patience", 0, "1 or more"),
        ("seed", -1, r"in \[0, 2\*\*64\)"),
        ("seed", 2**64, r"in \[0, 2\*\*64\)"),
        ("threads", 0, "1 or more"),
        ("device", "tpu", "auto, cpu, cuda"),
        ("max_length", 2**63, "1 or more"),
        ("learning_rate", 10**400, "float"),
        ("keep_vectors", -1, "0 or more"),
        ("ngram_buckets", 2**24 + 1, "1 to 16,777,216"),
    ],
)
def test_a_value_out_of_range_is_said_with_the_range(name, value, expected):
    with pytest.raises(ConfigError, match=rf"^{name} must be {expected}.*, got {value!r}$"):
        Config.from_flat({name: value})


def test_n_grams_have_a_shortest_and_a_longest():
    assert Config.from_flat({"ngram_min": 4}).model.ngram_max == 4
    with pytest.raises(ConfigError, match="ngram_min must be ngram_max or less, got 5 and 4"):
        Config.from_flat({"ngram_min": 5})


def test_all_problems_are_reported_together():
    with pytest.raises(ConfigError) as caught:
        Config.from_flat({"epochs": 0, "lowercase": "no", "text_column": 1, "batch_size": 0, "embedding_dim": 1})
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "text_column", "lowercase", "epochs", "batch_size",
    ]  # fmt: skip
    assert str(caught.value) == "; ".join(caught.value.problems)


def test_unknown_names_are_reported_together_with_what_there_is():
    with pytest.raises(ConfigError) as caught:
        Config.from_dict({"modle": {}, "text": {"lower": True, "lowercase": True}, "training": {"epoch": 3}})
    first, second, third = caught.value.problems
    assert first == "unknown section 'modle'; sections are data, text, model, training, image"
    assert second.startswith("unknown setting 'lower' in 'text'; it has lowercase, max_length, min_frequency")
    assert third.startswith("unknown setting 'epoch' in 'training'; it has amp, batch_size, batch_tokens, calibrate")


@pytest.mark.parametrize("section", [5, None, ["a"], "text"])
def test_a_section_is_a_table(section):
    with pytest.raises(ConfigError, match=r"^'training' must be a table of settings, got ") as caught:
        Config.from_dict({"training": section})
    assert repr(section) in str(caught.value)


def test_names_no_section_knows_are_settings_of_the_architecture():
    config = Config.from_flat({"epochs": 3, "num_filters": 7, "settings": {"kernel_sizes": [2]}})
    assert config.training.epochs == 3
    assert config.model.settings == {"num_filters": 7, "kernel_sizes": [2]}


def test_whole_numbers_lists_and_single_names_are_taken_for_what_they_mean():
    config = Config.from_flat({"learning_rate": 1, "text_column": "body", "label_column": ["a", "b"]})
    assert type(config.training.learning_rate) is float
    assert (config.data.text_column, config.data.label_column) == (("body",), ("a", "b"))
    weights = Config.from_flat({"class_weight": {"a": 2}}).training.class_weight
    assert weights == {"a": 2.0}


def test_a_config_shares_no_settings_with_another_or_with_what_it_was_made_of():
    given = {"num_filters": 7}
    config = Config.from_flat({"settings": given, "dropout": 0.1})
    assert given == {"num_filters": 7}
    config.to_dict()["model"]["settings"]["num_filters"] = 8
    assert config.model.settings["num_filters"] == 7
    assert Config().model.settings == {}
    assert Config().model.settings is not Config().model.settings


@pytest.mark.parametrize(
    ("section", "name"), [(kind, f.name) for kind in SECTIONS.values() for f in dataclasses.fields(kind)]
)
def test_every_setting_is_documented(section, name):
    assert len(describe(section, name)) > 10


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().training.epochs = 3


def test_a_preset_goes_behind_what_is_given():
    config = Config.from_flat({"preset": "pure", "max_length": 7})
    assert (config.model.wide, config.model.settings, config.text.max_length) == (False, {"pooling": "max"}, 7)
    assert Config.from_flat({"preset": "fast"}).model.embedding_dim == 48
    assert Config.from_flat({"preset": "default"}) == Config()


def test_an_unknown_preset_is_told():
    with pytest.raises(ConfigError, match="preset must be one of fast, default, accurate, pure, got 'best'"):
        Config.from_flat({"preset": "best"})


@pytest.mark.parametrize(("modality", "name"), [(m, name) for m, table in MODALITIES.items() for name in table])
def test_no_architecture_has_a_setting_of_the_name_of_a_field(modality, name):
    """It could not be reached by that name: `--set NAME=VALUE` knows no sections."""
    taken = {f.name for section in SECTIONS.values() for f in dataclasses.fields(section)}
    assert not taken & settings_of(modality, name).keys()
