"""fastText's Python interface on our models; test_fasttext_itself.py compares it with fastText's own."""

import json
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from fasttext_rows import LINES, QUICK, WORDS, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import textcnn
import textcnn.compat.fasttext as fasttext
from textcnn.compat.fasttext_arguments import FastTextError
from textcnn.errors import DataWarning

# ------------------------------------------------------------------------------------------------------- predict


def test_one_text_gives_a_tuple_and_an_array(model):
    labels, values = model.predict("a dull cold film")
    assert labels == ("__label__bad",)
    assert (values.dtype, values.shape) == (np.float64, (1,))
    assert model.predict("a dull cold film", k=3)[0][0] == "__label__bad"


def test_a_list_gives_lists(model):
    labels, values = model.predict(["a dull film", "a fine film"], k=2)
    assert [row[0] for row in labels] == ["__label__bad", "__label__good"]
    assert isinstance(values, list)
    assert [(row.dtype, row.shape) for row in values] == [(np.float32, (2,))] * 2
    assert model.predict([]) == ([], [])


def test_labels_are_those_of_the_predictor(model):
    texts = ["a dull film", "hours of a film", "", "zzz"]
    labels, values = model.predict(texts, k=-1)
    probs = model.predictor.predict_proba(texts)
    assert [row[0] for row in labels] == ["__label__" + name for name in model.predictor.predict(texts)]
    assert np.allclose(values, np.sort(probs)[:, ::-1], atol=1e-6)


@given(text=st.text(st.sampled_from("a fdulmwr\t")), k=st.integers(1, 5), threshold=st.floats(0, 1), many=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_predictions_are_the_first_of_all(model, text, k, threshold, many):
    every, values = model.predict(text, k=-1)
    assert len(every) == 3
    assert values.sum() == pytest.approx(1)
    assert (np.diff(values) <= 0).all()
    wanted = [(name, value) for name, value in zip(every, values, strict=True) if value >= threshold][:k]
    found, numbers = model.predict([text], k, threshold) if many else model.predict(text, k, threshold)
    found, numbers = (found[0], numbers[0]) if many else (found, numbers)
    assert list(found) == [name for name, _ in wanted]
    assert np.allclose(numbers, [value for _, value in wanted], atol=1e-6)


@given(place=st.integers(0, 4), label=st.sampled_from(["good", "bad", "unseen", "_", "é"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_labels_in_a_text_are_no_words(model, place, label):
    words = ["a", "fine", "warm", "film"]
    line = " ".join([*words[:place], f"__label__{label}", *words[place:]])
    assert model.predict(line, k=-1)[1].tolist() == model.predict(" ".join(words), k=-1)[1].tolist()


@pytest.mark.parametrize("text", ["a\nb", "a\n", ["a", "b\n"]])
def test_a_line_end_is_fasttexts_error(model, text):
    with pytest.raises(ValueError, match=r"predict processes one line at a time \(remove '\\n'\)"):
        model.predict(text)


@pytest.mark.parametrize("k", [0, -2])
def test_k_is_fasttexts(model, k):
    with pytest.raises(ValueError, match="k needs to be 1 or higher!"):
        model.predict("a", k=k)


@pytest.mark.parametrize(("text", "kind"), [(("a",), "tuple"), (3, "int"), (None, "NoneType"), (["a", 3], "int")])
def test_what_is_no_text_is_told(model, text, kind):
    with pytest.raises(TypeError, match=f"expected a str, or a list of them, got {kind}"):
        model.predict(text)


def test_one_vs_all_gives_any_number_of_labels(several):
    labels, values = several.predict("a dull cold film", k=-1, threshold=0.5)
    assert set(labels) == {"__label__film", "__label__bad"}
    assert values.sum() > 1
    assert several.predictor.labels.multi_label


# ------------------------------------------------------------------------------------------------- test, test_label


def test_precision_and_recall_of_a_file(model, several, folder, tmp_path):
    assert model.test(str(folder / "train.txt")) == (36, 1.0, 1.0)
    assert model.test(str(folder / "train.txt"), k=3) == (36, pytest.approx(1 / 3), 1.0)
    assert several.test(str(folder / "several.txt"), k=2) == (36, 1.0, 1.0)
    assert several.test(str(folder / "several.txt"), k=1) == (36, 1.0, 0.5)
    size, precision, recall = model.test(str(folder / "train.txt"), threshold=1.1)
    assert (size, recall) == (36, 0.0)
    assert math.isnan(precision)


def test_lines_that_fasttext_leaves_out_are_told(model, tmp_path):
    lines = [
        "__label__zzz a fine film",
        "__label__zzz __label__good a fine film",
        "no label",
        "",
        "a fine __label__bad",
    ]
    path = write(tmp_path / "test.txt", lines)
    with pytest.warns(DataWarning) as told:
        assert model.test(path) == (2, 0.5, 0.5)
    assert [str(warning.message) for warning in told] == [
        "1 row without a label was dropped",
        "1 blank line was skipped",
        "1 line without a label of the training data left out, as fastText does",
    ]
    scores = model.test_label(path)
    assert list(scores) == ["__label__bad", "__label__good", "__label__long"]
    assert scores["__label__good"] == {"precision": 0.5, "recall": 1.0, "f1score": pytest.approx(2 / 3)}
    assert scores["__label__bad"]["recall"] == 0
    assert math.isnan(scores["__label__bad"]["precision"])
    assert all(map(math.isnan, scores["__label__long"].values()))


@pytest.mark.parametrize("lines", [[], ["nothing", "of it"]])
def test_a_file_without_labels_has_no_precision(model, tmp_path, lines):
    size, precision, recall = model.test(write(tmp_path / "test.txt", lines))
    assert size == 0
    assert math.isnan(precision)
    assert math.isnan(recall)


@given(rows=st.lists(st.tuples(st.sets(st.sampled_from(sorted(WORDS))), st.sampled_from(list(WORDS.values())))))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_test_counts_what_predict_answers(model, tmp_path, rows):
    rows = [(sorted(labels), text) for labels, text in rows if labels]
    path = write(
        tmp_path / "t.txt", [" ".join([*("__label__" + name for name in names), text]) for names, text in rows]
    )
    size, precision, recall = model.test(path, k=2, threshold=0.2)
    given_labels, _ = model.predict([text for _, text in rows], k=2, threshold=0.2)
    wanted = [{"__label__" + name for name in names} for names, _ in rows]
    hits = sum(len(set(found) & names) for found, names in zip(given_labels, wanted, strict=True))
    assert size == len(rows)
    if rows:
        assert precision == pytest.approx(hits / sum(map(len, given_labels)))
        assert recall == pytest.approx(hits / sum(map(len, wanted)))


def test_a_file_that_is_not_there(model, tmp_path):
    for call in (model.test, model.test_label, fasttext.train_supervised, fasttext.load_model):
        with pytest.raises(ValueError, match=r"none\.txt"):
            call(str(tmp_path / "none.txt"))


# ----------------------------------------------------------------------------------------- labels, words, vectors


def test_labels_come_by_frequency(tmp_path):
    lines = [*LINES[:6], *(f"__label__good x{n}" for n in range(3)), *(f"__label__long y{n}" for n in range(9))]
    model = fasttext.train_supervised(write(tmp_path / "a.txt", lines), **QUICK)
    assert model.labels == ["__label__long", "__label__good", "__label__bad"]
    labels, counts = model.get_labels(include_freq=True)
    assert (labels, counts.tolist()) == (model.labels, [11, 5, 2])
    assert model.get_labels(on_unicode_error="ignore") == labels
    assert [model.get_label_id(label) for label in [*labels, "long", "__label__x"]] == [0, 1, 2, -1, -1]


def test_words_come_by_frequency(model):
    assert model.words == model.get_words()
    assert model.words[:2] == ["a", "film"]
    assert not {"[PAD]", "[UNK]", "</s>", ""} & set(model.words)
    assert all(word in model for word in model.words)
    assert "Film" in model, "words are read as the model reads them"
    assert "zzz" not in model
    assert [model.get_word_id(word) for word in model.words] == list(range(len(model.words)))
    assert model.get_word_id("zzz") == -1
    with pytest.raises(ValueError, match="but not the counts"):
        model.get_words(include_freq=True)


def test_vectors(model):
    assert model.get_dimension() == 96
    vector = model.get_word_vector("film")
    assert (vector.dtype, vector.shape) == (np.float32, (96,))
    assert (model["film"] == vector).all()
    assert (model["Film"] == vector).all()
    assert not model.get_word_vector("").any()
    assert model.get_word_vector("filmy").any(), "an unseen word is composed of its n-grams"
    with pytest.raises(ValueError, match="one line"):
        model.get_sentence_vector("a\n")


@given(words=st.lists(st.sampled_from(["a", "dull", "film", "filmy", "zq"]), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_the_vector_of_a_text_is_the_mean_of_its_words(model, words):
    mean = np.mean([model.get_word_vector(word) for word in words], axis=0)
    assert np.allclose(model.get_sentence_vector(" ".join(words)), mean, atol=1e-6)


@pytest.mark.slow
def test_vectors_of_a_model_of_several_layers(tmp_path, folder):
    how = {"architecture": "lstm", "embedding_dim": 8, "subwords": False, "threads": 1}
    predictor = textcnn.train(folder / "train.txt", epochs=1, **how)
    predictor.save(tmp_path / "model")
    model = fasttext.load_model(tmp_path / "model")
    assert model.get_dimension() == 8
    number = predictor.artifact.text_inputs().tokenizer.vocabulary["film"]
    assert (model.get_word_vector("film") == predictor.artifact.weights["embedding.word.weight"][number]).all()
    assert model.predict("a dull film")[0][0] in model.labels


# ----------------------------------------------------------------------------------------------- files of models


def test_a_saved_model_answers_as_before(model, tmp_path):
    model.save_model(str(tmp_path / "model.bin"))
    assert (tmp_path / "model.bin" / "model.safetensors").exists()
    loaded = fasttext.load_model(str(tmp_path / "model.bin"))
    texts = [line.partition(" ")[2] for line in LINES]
    assert [row.tolist() for row in loaded.predict(texts, k=-1)[1]] == [
        row.tolist() for row in model.predict(texts, k=-1)[1]
    ]
    assert (loaded.labels, loaded.words) == (model.labels, model.words)
    assert textcnn.load(tmp_path / "model.bin").predict(["a dull film"]) == ["bad"]
    loaded.save_model(tmp_path / "again")
    assert fasttext.load_model(tmp_path / "again").predict("a dull film")[0] == ("__label__bad",)
    assert pickle.loads(pickle.dumps(loaded)).predict("a dull film")[0] == ("__label__bad",)
    assert not loaded.is_quantized()


def test_a_model_of_textcnn_train_is_loaded(tmp_path, folder):
    textcnn.train(folder / "train.txt", output=tmp_path / "model", epochs=2, threads=1)
    model = fasttext.load_model(tmp_path / "model")
    assert sorted(model.labels) == ["__label__bad", "__label__good", "__label__long"]
    assert model.get_labels(include_freq=True)[1].tolist() == [12, 12, 12]


def test_a_prefix_of_ones_own_stays_with_the_model(tmp_path, folder):
    path = write(tmp_path / "a.txt", [line.replace("__label__", "#") for line in LINES])
    model = fasttext.train_supervised(path, label="#", **QUICK)
    model.save_model(tmp_path / "model")
    for found in (model, fasttext.load_model(tmp_path / "model")):
        assert found.predict("a dull film")[0] == ("#bad",)
        assert set(found.labels) == {"#bad", "#good", "#long"}
        assert found.test(path) == (36, 1.0, 1.0)


@pytest.mark.parametrize("name", ["model.bin", "model.ftz"])
def test_a_file_of_fasttext_is_told(tmp_path, name):
    (tmp_path / name).write_bytes((793712314).to_bytes(4, "little") + b"\x0c\0\0\0" + bytes(100))
    with pytest.raises(ValueError, match=rf"{name} is a model of fastText .*train_supervised, or textcnn train FILE"):
        fasttext.load_model(str(tmp_path / name))
    with pytest.raises(ValueError, match="found a fastText model; name the file that it was trained on"):
        fasttext.train_supervised(str(tmp_path / name))


def test_another_file_is_told(tmp_path, folder):
    with pytest.raises(ValueError, match=r"train\.txt has wrong file format! Expected the folder"):
        fasttext.load_model(folder / "train.txt")
    with pytest.raises(ValueError, match="model"):
        fasttext.load_model(tmp_path / "nowhere")


def test_a_model_is_not_written_over_a_file(model, folder):
    with pytest.raises(ValueError, match=r"train\.txt"):
        model.save_model(folder / "train.txt")


# --------------------------------------------------------------------------------------- what fastText has besides


@pytest.mark.parametrize("name", ["quantize", "get_nearest_neighbors", "get_meter", "get_line", "get_input_matrix"])
def test_methods_that_are_missing_say_what_to_do(model, name):
    with pytest.raises(AttributeError, match=rf"textcnn.compat.fasttext has no {name}: .*\w"):
        getattr(model, name)
    with pytest.raises(AttributeError, match="'FastText' object has no attribute 'x'"):
        _ = model.x


def test_word_vectors_are_not_trained(folder):
    with pytest.raises(FastTextError, match=r"give the \.vec file to train_supervised as pretrainedVectors"):
        fasttext.train_unsupervised(str(folder / "train.txt"), model="skipgram")


def test_tokenize_is_fasttexts():
    assert fasttext.tokenize("a b\tc\nd  e") == ["a", "b", "c", "</s>", "d", "e"]
    assert fasttext.tokenize("") == []


def test_the_usual_line_against_fasttexts_own_warning_runs():
    code = "import textcnn.compat.fasttext as fasttext; fasttext.FastText.eprint = lambda x: None"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
def test_training_and_answers_need_no_torch(folder, tmp_path):
    code = (
        "import json, sys, textcnn.compat.fasttext as fasttext\n"
        f"model = fasttext.train_supervised({str(folder / 'train.txt')!r}, epoch=1, thread=1)\n"
        f"model.save_model({str(tmp_path / 'm')!r})\n"
        f"print(fasttext.load_model({str(tmp_path / 'm')!r}).predict('a film')[0])\n"
        "model['film'], model.get_sentence_vector('a film')\n"
        "print(json.dumps(sorted({'torch', 'sklearn', 'datasets'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
