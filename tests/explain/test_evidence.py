"""Evidence cites training rows that really hold what decided, and is missing where nothing was learnt."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest
from one_layer_models import OPTIONS, make

from textcnn.api import train
from textcnn.core.lookup_numpy import activate
from textcnn.errors import ArtifactError, ConfigError
from textcnn.explain.evidence import OUTSIDE, build_evidence, find_evidence, load_evidence, with_evidence
from textcnn.folder.training_rows import EvidenceIndex
from textcnn.prediction.answers import classify_rows
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Silent
from textcnn.reading.rows import open_rows
from textcnn.runs.settings import train_text

SUBJECTS, VERBS, THINGS = ["the cat", "the dog", "a man"], ["likes", "hates"], ["good films", "bad plots", "old songs"]
ROWS = [(f"{s} {v} {t} .", "pos" if v == "likes" else "neg") for s in SUBJECTS for v in VERBS for t in THINGS] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("evidence") / "model"
    train(ROWS, epochs=3, num_filters=8, embedding_dim=8, output=place, evidence=True, dev_fraction=0.2)
    return place


def test_each_cited_row_holds_the_n_gram_and_has_its_label(folder):
    model, index = load_evidence(folder)
    texts = ["the dog likes old songs", "a man hates good films .", "good"]
    labels = Predictor.load(folder).predict(texts)
    found = find_evidence(model, index, texts, labels)
    cited = [entry for evidence in found for entry in evidence.cited]
    assert len(cited) >= 4
    for entry in cited:
        assert entry["contribution"] > 0
        assert 1 <= len(entry["rows"]) <= min(entry["count"], 3)
        for row in entry["rows"]:
            text, label = ROWS[row["row"]]
            words = model.inputs.tokenizer.words(text)
            if entry.get("at"):
                assert words[{"start": 0, "end": -1}[entry["at"]]] == entry["ngram"]
            else:
                assert f" {entry['ngram']} " in f" {' '.join(words)} "
            assert row["labels"] == [label]


def test_rows_held_out_are_never_cited(folder):
    _, index = load_evidence(folder)
    assert len(set(index.numbers.tolist())) == len(index.numbers) < len(ROWS)


@pytest.mark.parametrize("option", ["default", "pure", "widths", "cut", "multi label", "vectors"])
def test_shares_are_those_of_counting(option, tmp_path):
    make(**OPTIONS[option]).save(tmp_path)
    from textcnn.runtime.lookup import LookupModel

    model = LookupModel.load(tmp_path)
    texts = ["a good film", "a bad film", "a good plot with a film", "", "unseenish words"]
    truth = [("neg",), ("pos",), ("neg",), ("pos",), ("nope",)]

    def pairs(encoded, i):
        filters, both = model.model.filters, set()
        ids = encoded.ids[encoded.offsets[i] : encoded.offsets[i + 1]][: model.inputs.max_length]
        for g, sums in enumerate(model.windows(ids, encoded.unseen) if len(ids) else []):
            size = int(filters.sizes[g])
            ends = [OUTSIDE] * (size - 1)
            padded, bias = [*ends, *ids.tolist(), *ends], filters.bias[g * sums.shape[1] :]
            for f in range(sums.shape[1]):
                place = int(sums[:, f].argmax())
                if activate(sums[place, f] + bias[f], filters.activation):
                    both |= set(pairwise(padded[place : place + size]))
        return both - {(OUTSIDE, OUTSIDE)}

    encoded = model.inputs.encode(texts)
    index = build_evidence(model, encoded, truth, np.arange(len(texts)))
    size, unknown = len(model.inputs.tokenizer), model.inputs.tokenizer.unknown_id
    held = [{p for p in pairs(encoded, i) if max(p) < size and unknown not in p} for i in range(len(texts))]
    assert len(index.keys) == len(set().union(*held))
    asked = ["a good film with it", "film a", "zzz", ""]
    answers = find_evidence(model, index, asked, ["neg"] * len(asked))
    other = model.inputs.encode(asked)
    for i, evidence in enumerate(answers):
        own = pairs(other, i)
        known = {p for p in own if p in set().union(*held)}
        assert evidence.share == pytest.approx(len(known) / max(len(own), 1))
        assert evidence.enough == (evidence.share > 0 and evidence.share >= index.threshold[0])
    alone = [
        sum(sum(p in h for h in held) > 1 for p in pairs(encoded, i)) / max(len(pairs(encoded, i)), 1) for i in range(5)
    ]
    assert index.threshold[0] == pytest.approx(np.quantile(alone, 0.01))
    few = build_evidence(model, encoded, truth, np.arange(len(texts)), most_pairs=3)
    assert few.keys.shape == (3,)
    assert few.counts.min() >= np.sort(index.counts)[-3]
    assert set(few.numbers.tolist()) <= set(range(len(texts)))


def test_answers_are_flagged_and_abstain(folder):
    model, index = load_evidence(folder)
    texts = ["the cat likes bad plots .", "zig zag zog", ""]
    plain = list(classify_rows(Predictor.load(folder), open_rows(texts, labels="ignored")))
    told = list(with_evidence(model, index, plain, abstain="unsure"))
    assert [row["flags"] for row in told] == [[], ["no_evidence"], ["empty", "no_evidence"]]
    assert [row["label"] for row in told] == [plain[0]["label"], "unsure", "unsure"]
    assert told[1]["label_without_evidence"] == plain[1]["label"]
    assert "label_without_evidence" not in told[0]
    assert told[0]["evidence"]["cited"]
    assert [row["label"] for row in with_evidence(model, index, plain)] == [row["label"] for row in plain]


def test_the_index_is_kept_by_saving_and_a_damaged_one_is_refused(folder, tmp_path):
    _, index = load_evidence(folder)
    Predictor.load(folder).save(tmp_path / "again")
    again = load_evidence(tmp_path / "again")[1]
    for entry in dataclasses.fields(EvidenceIndex):
        assert np.array_equal(getattr(again, entry.name), getattr(index, entry.name))
    path = tmp_path / "again" / "evidence.safetensors"
    for changes, problem in [
        ({"counts": index.counts[1:]}, "pairs, counts of shape"),
        ({"rows": index.rows + 10**6}, "it cites rows that are not among its"),
        ({"label_offsets": index.label_offsets[1:]}, "its labels are not those of"),
        ({"label_ids": index.label_ids + 7}, "it has labels that are not among the 2 of the model"),
        ({"threshold": np.zeros(2)}, "it has 2 thresholds"),
    ]:
        dataclasses.replace(index, **changes).write(path)
        with pytest.raises(ArtifactError, match=problem):
            load_evidence(tmp_path / "again")
    path.write_bytes(b"{}")
    with pytest.raises(ArtifactError, match="expected an index of evidence, but the file is damaged"):
        load_evidence(tmp_path / "again")
    path.unlink()
    with pytest.raises(ArtifactError, match=re.escape("expected evidence.safetensors in")):
        load_evidence(tmp_path / "again")


def test_a_model_without_pairs_that_win_is_refused_before_it_is_trained():
    for settings in ({"architecture": "bag"}, {"architecture": "lstm"}, {"kernel_sizes": [1]}):
        with pytest.raises(ConfigError, match="architecture must be 'kim' with a kernel size above 1, got '"):
            train_text(ROWS, settings, Silent(), evidence=True)


@pytest.mark.parametrize("name", ["kim"])
def test_evidence_goes_with_folds(name):
    run = train_text(ROWS[:18], {"epochs": 1, "num_filters": 4, "embedding_dim": 4}, Silent(), folds=2, evidence=True)
    assert run.predictor.artifact.evidence is not None
    assert run.predictor.artifact.evidence.numbers.max() == 17
    assert name == run.predictor.artifact.config.architecture


def test_a_model_in_memory_has_the_answers_of_its_folder(tmp_path):
    from textcnn.config import ModelConfig
    from textcnn.runtime.lookup import LookupModel

    artifact = make()
    artifact.save(tmp_path)
    texts = ["a good film", "", "unseenish plot"]
    one, other = artifact.lookup(), LookupModel.load(tmp_path)
    assert np.array_equal(one.predict_proba(texts), other.predict_proba(texts))
    artifact.config = ModelConfig("lstm")
    with pytest.raises(ConfigError, match="a look-up runtime, but architecture 'lstm' is not one layer"):
        artifact.lookup()
