"""Word vectors of a sentence encoder: principal components, kept with the model like vectors of a file."""

import numpy as np
import pytest

import textcnn
from textcnn.errors import ConfigError
from textcnn.teacher.encoder import EncoderTeacher
from textcnn.teacher.word_vectors import principal_components

ROWS = [(f"fine film {i}", "pos") for i in range(20)] + [(f"dull film {i}", "neg") for i in range(20)]
TINY = {"epochs": 2, "num_filters": 16, "calibrate": "none"}


def letters(texts):
    """Counts of letters, for words that share letters to be near each other."""
    return np.array([[text.count(chr(97 + k)) for k in range(26)] for text in texts], float)


@pytest.fixture
def encoder(monkeypatch):
    asked = []

    def measure(texts):
        asked.extend(texts)
        return letters(texts)

    teacher = EncoderTeacher("letters", None, measure)
    monkeypatch.setattr("textcnn.teacher.word_vectors.encoder_teacher", lambda name: teacher)
    return asked


def test_components_keep_the_distances_and_are_of_one_size():
    rows = np.random.default_rng(1).standard_normal((50, 6)).astype(np.float32) * [9, 5, 3, 1, 1, 1]
    found = principal_components(rows.astype(np.float32), 6)
    assert found.std() == pytest.approx(0.5, rel=1e-5)
    ratio = np.linalg.norm(found[1:] - found[0], axis=1) / np.linalg.norm(rows[1:] - rows[0], axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    assert (np.diff(found.var(axis=0)) <= 1e-6).all()
    assert not principal_components(rows.astype(np.float32), 9)[:, 6:].any()


def test_every_word_of_the_vocabulary_has_a_vector_and_the_model_names_the_encoder(encoder, tmp_path):
    predictor = textcnn.train(ROWS, vectors="encoder", embedding_dim=8, output=tmp_path / "model", **TINY)
    training = predictor.artifact.training
    assert {"fine", "dull", "film"} <= {*encoder}
    assert training["vectors"]["name"] == "encoder"
    assert training["vectors"]["covered_types"] == training["vectors"]["types"] == len(encoder)
    assert training["config"]["training"]["vector_learning_rate"] == 0.02
    assert training["config"]["model"]["vectors"] == "encoder"
    again = textcnn.load(tmp_path / "model")
    assert again.predict(["fine film"]) == predictor.predict(["fine film"])


def test_rows_start_at_the_vectors(encoder):
    predictor = textcnn.train(ROWS, vectors="encoder", embedding_dim=8, embedding_channels="static", **TINY)
    weights = predictor.artifact.weights
    table = next(
        value for name, value in weights.items() if name.startswith("embedding") and name.endswith("word.weight")
    )
    types = predictor.artifact.text_inputs().tokenizer.types()
    expected = principal_components(letters(encoder).astype(np.float32), 8)
    np.testing.assert_allclose(table[[types.index(word) for word in encoder]], expected, atol=1e-6)


def test_words_of_a_file_that_the_training_texts_lack_get_vectors_too(encoder, tmp_path):
    file = tmp_path / "later.txt"
    file.write_text("Superb superb film\nlousy superb lousy\nnever seen\n")
    options = {"vectors": "encoder", "embedding_dim": 8, "embedding_channels": "static", **TINY}
    predictor = textcnn.train(ROWS, vector_words=str(file), keep_vectors=2, output=tmp_path / "model", **options)
    assert {"superb", "lousy"} <= {*encoder}
    assert not {"never", "seen"} & {*encoder}
    training = predictor.artifact.training
    assert training["vectors"]["kept"] == 2
    assert training["vectors"]["covered_types"] == training["vectors"]["types"]
    assert training["config"]["model"]["vector_words"] == "later.txt"
    assert not {"superb", "lousy"} - {*predictor.artifact.text_inputs().tokenizer.types()}
    again = textcnn.load(tmp_path / "model")
    assert again.predict_proba(["superb"]).tolist() != again.predict_proba(["unseen"]).tolist()


def test_what_further_words_need(encoder):
    with pytest.raises(ConfigError, match=r"keep_vectors is 5, but an encoder has no list of words; .* vector_words"):
        textcnn.train(ROWS, vectors="encoder", keep_vectors=5, **TINY)
    with pytest.raises(ConfigError, match=r"vector_words is 'a\.txt', which needs an encoder"):
        textcnn.train(ROWS, vector_words="a.txt", **TINY)
