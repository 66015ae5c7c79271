import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.benchmark.contestants import describe, enter
from textcnn.benchmark.protocol import BASELINES, TOLERANCE, SpeedConfig
from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import num_parameters
from textcnn.models.kim import KimEncoder

LABELS = Labels(("a", "b", "c"))


def real_parameters(baseline, embedding_dim, hidden_size):
    config = ModelConfig(baseline.architecture, embedding_dim, settings=baseline.settings(hidden_size))
    with torch.device("meta"):  # sizes without memory
        return num_parameters(registry.build("text", config, embedding_dim))


@pytest.mark.parametrize("name", BASELINES)
@settings(max_examples=25, deadline=None)
@given(embedding_dim=st.integers(1, 60), hidden_size=st.integers(1, 60))
def test_the_formula_counts_the_parameters_of_the_real_module(name, embedding_dim, hidden_size):
    baseline = BASELINES[name]
    assert baseline.parameters(embedding_dim, hidden_size) == real_parameters(baseline, embedding_dim, hidden_size)


@pytest.mark.parametrize("name", BASELINES)
@settings(max_examples=25, deadline=None)
@given(
    embedding_dim=st.integers(20, 300),
    num_filters=st.integers(30, 200),
    kernel_sizes=st.lists(st.integers(1, 7), min_size=2, max_size=4, unique=True).filter(lambda sizes: max(sizes) > 3),
)
def test_a_matched_encoder_has_the_size_of_the_cnn(name, embedding_dim, num_filters, kernel_sizes):
    with torch.device("meta"):
        target = num_parameters(KimEncoder(embedding_dim, num_filters=num_filters, kernel_sizes=kernel_sizes))
    size = BASELINES[name].matching_hidden_size(embedding_dim, target)
    assert real_parameters(BASELINES[name], embedding_dim, size) == pytest.approx(target, rel=TOLERANCE)


@given(name=st.sampled_from(sorted(BASELINES)), dim=st.integers(1, 100), target=st.integers(1, 10**7))
def test_no_other_hidden_size_is_nearer(name, dim, target):
    baseline = BASELINES[name]
    size = baseline.matching_hidden_size(dim, target)
    distances = [abs(baseline.parameters(dim, other) - target) for other in (max(size - 1, 1), size, size + 1)]
    assert distances[1] == min(distances)


def test_contestants_differ_in_the_encoder_alone():
    entries = enter(SpeedConfig(embedding_dim=24), num_types=50, labels=LABELS)
    found = describe(entries)
    assert [each["architecture"] for each in found] == ["kim", "rnn", "gru", "lstm", "bilstm"]
    assert found[0]["ratio"] == 1
    assert all(abs(each["ratio"] - 1) <= TOLERANCE for each in found)
    for entry in entries:
        width = entry.model.settings.get("hidden_size", 3 * 96) * (2 if entry.name == "bilstm" else 1)
        assert entry.parameters - entry.encoder_parameters == 50 * 24 + (width + 1) * len(LABELS)


def test_what_cannot_be_matched_is_told(monkeypatch):
    monkeypatch.setattr(KimEncoder.__init__, "__kwdefaults__", {**KimEncoder.__init__.__kwdefaults__, "num_filters": 1})
    message = r"encoder of 13 parameters within 10% for 'bilstm', but hidden_size 1 has 40; use a larger embedding_dim"
    with pytest.raises(ConfigError, match=message):
        enter(SpeedConfig(embedding_dim=2, architectures=("bilstm",)), num_types=10, labels=LABELS)
