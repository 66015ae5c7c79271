"""A blinded model's answers do not change when blinded words do: on every path, to the bit."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from one_layer_models import OPTIONS, make

from textcnn.errors import ArtifactError, ConfigError
from textcnn.explain.blinding import read_words, write_blinded
from textcnn.models.base import build_text_classifier
from textcnn.prediction.artifact import load_artifact
from textcnn.prediction.predictor import Predictor
from textcnn.runtime.lookup import LookupModel

SYLLABLES = ["an", "be", "ca", "do", "el", "fi", "go", "ha", "il", "jo"]
NAMES = [f"{a}{b}{c}" for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]  # 1,000 of them
KNOWN = ["film", "plot", "bad"]  # words of the vocabulary


def swapped(random, count):
    """Texts with names in them, and the same with other names in their place."""
    words = ["a", "good", "fine", "it's", "!", "unseenish", "NAME", "NAME's"]
    drawn = [random.choice(words, random.integers(1, 12)).tolist() for _ in range(count)]
    names = [*NAMES, *KNOWN]

    def filled():
        return [" ".join(word.replace("NAME", str(random.choice(names))) for word in text) for text in drawn]

    return filled(), filled()


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_logits_stay_the_same_to_the_bit_on_every_path(option, tmp_path, random):
    make(**OPTIONS[option]).save(tmp_path / "model")
    blinded = write_blinded(tmp_path / "model", tmp_path / "blind", words=[*NAMES, *KNOWN])
    assert len(blinded) == 1003
    one, other = swapped(random, 1000 if option == "default" else 50)
    assert one != other
    for precision in ("float32", "int8"):
        model = LookupModel.load(tmp_path / "blind", precision=precision)
        assert np.array_equal(model.logits(model.inputs.encode(one)), model.logits(model.inputs.encode(other)))
    alone = LookupModel.load(tmp_path / "blind")  # single texts have a shorter way
    for first, second in zip(one[:20], other[:20], strict=True):
        assert np.array_equal(alone.predict_proba([first]), alone.predict_proba([second]))
    torch = Predictor.load(tmp_path / "blind", runtime="torch")
    assert np.array_equal(torch.predict_proba(one), torch.predict_proba(other))
    before = Predictor.load(tmp_path / "model")
    assert not np.array_equal(before.predict_proba(one), before.predict_proba(other))  # the test could fail


def test_a_recurrent_net_is_blinded_too(tmp_path, random):
    from textcnn.config import ModelConfig

    artifact = make()
    config = ModelConfig("lstm", embedding_dim=8, settings={"hidden_size": 5}, subwords=False, wide=False)
    artifact.network = build_text_classifier(config, len(artifact.text_inputs().tokenizer), artifact.labels).eval()
    artifact.config = config
    inputs = artifact.text_inputs()
    artifact.inputs = type(inputs)(inputs.tokenizer, inputs.max_length)
    artifact.save(tmp_path / "model")
    write_blinded(tmp_path / "model", tmp_path / "blind", words=[*NAMES, *KNOWN])
    one, other = swapped(random, 50)
    model = Predictor.load(tmp_path / "blind")
    assert np.array_equal(model.predict_proba(one), model.predict_proba(other))


def test_a_vetoed_phrase_counts_only_apart(tmp_path):
    make().save(tmp_path / "model")
    write_blinded(tmp_path / "model", tmp_path / "blind", phrases=["Really  bad", "good plot"])
    model, before = Predictor.load(tmp_path / "blind"), Predictor.load(tmp_path / "model")
    probs = model.predict_proba(["a really bad film", "a good plot film"])
    assert np.array_equal(probs[0], probs[1])
    apart = ["really , bad", "a plot good"]
    assert np.array_equal(model.predict_proba(apart), before.predict_proba(apart))


def test_blinding_adds_up_survives_saving_and_stands_in_the_card(tmp_path):
    make().save(tmp_path / "model")
    write_blinded(tmp_path / "model", tmp_path / "blind", words=["Film"])
    assert write_blinded(tmp_path / "blind", tmp_path / "blind", words=["plot"], phrases=["a good"]) == (
        "a good",
        "film",
        "plot",
    )
    load_artifact(tmp_path / "blind").save(tmp_path / "again")
    for name in ("blind", "again"):
        assert json.loads((tmp_path / name / "config.json").read_text())["blinded"] == ["a good", "film", "plot"]
    assert "reads `[UNK]` for 3 words and phrases" in (tmp_path / "blind" / "README.md").read_text()
    assert (tmp_path / "blind" / "model.safetensors").read_bytes() == (
        tmp_path / "model" / "model.safetensors"
    ).read_bytes()


def test_what_is_wrong_is_said(tmp_path):
    make().save(tmp_path / "model")
    with pytest.raises(ConfigError, match=re.escape("'a b' is 2 tokens")):
        write_blinded(tmp_path / "model", tmp_path / "blind", words=["a b"])
    assert not (tmp_path / "blind").exists()
    (tmp_path / "words.txt").write_text("\n \n")
    with pytest.raises(ConfigError, match=re.escape("expected words, one a line, found none in")):
        read_words(tmp_path / "words.txt")
    with pytest.raises(ConfigError, match=re.escape(f"one a line, at {str(tmp_path / 'none.txt')!r}")):
        read_words(tmp_path / "none.txt")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    unnamed = {name: value for name, value in config.items() if name != "blinded"}  # written before there was blinding
    (tmp_path / "model" / "config.json").write_text(json.dumps(unnamed))
    assert Predictor.load(tmp_path / "model").text_inputs().blinded == ()
    (tmp_path / "model" / "config.json").write_text(json.dumps({**config, "blinded": [""]}))
    with pytest.raises(ArtifactError, match=re.escape("blinded is ['']")):
        Predictor.load(tmp_path / "model")


def test_words_of_a_file(tmp_path):
    (tmp_path / "words.txt").write_text("\ufeffJohn\n\nMary \n", encoding="utf-8")
    assert read_words(tmp_path / "words.txt") == ["John", "Mary"]
