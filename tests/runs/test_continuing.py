"""Training that starts from a model: nothing is lost, what is new finds its place behind the old."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import textcnn
from textcnn.config import TextConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.models.registry import TEXT
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Silent
from textcnn.runs import train_text
from textcnn.runs.continuing import continued_config, extended_labels
from textcnn.runs.prepare import prepare_text
from textcnn.runs.text import train_prepared
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn_cli.main import app

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 3, "batch_size": 8}
STILL = {"learning_rate": 1e-12, "embedding_learning_rate": 1e-12, "wide_learning_rate": 1e-12, "epochs": 1}
PAIRS = [(f"{word} film number {n}", label) for n in range(9) for word, label in (("good", "pos"), ("bad", "neg"))]
MANY = [(text, [label, "film"] if n % 3 else [label]) for n, (text, label) in enumerate(PAIRS)]
TEXTS = [text for text, _ in PAIRS] + ["", "never seen", "good bad unseen film"]
MORE = [(f"middling picture number {n}", "mixed") for n in range(6)]


class Heard(Silent):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def untouched(data, start, **settings):
    """The model as it stands before the first step."""
    prepared = prepare_text(data, continued_config(settings, start, "m"), Silent(), start=start)
    from textcnn.models.base import weights_of
    from textcnn.prediction.artifact import Artifact
    from textcnn.runs.core_run import start_from_rows
    from textcnn.runs.torch_run import fresh_model

    model = fresh_model(prepared.config.model, prepared.inputs, prepared.labels, 0).eval()
    start_from_rows(weights_of(model), prepared, 0)
    return Predictor(Artifact(model, prepared.inputs, prepared.labels, prepared.config.model))


def logits(predictor, texts=TEXTS):
    inputs, model = predictor.artifact.inputs, predictor.artifact.model
    encoded = inputs.encode(texts)
    with torch.no_grad():
        return model(inputs.batch(encoded, np.arange(len(texts)))).numpy()


@pytest.fixture(scope="module")
def model():
    return textcnn.train(PAIRS, **TINY)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", TEXT)
@pytest.mark.parametrize("tokenizer", ["word", "char", "bpe"])
def test_the_same_data_leaves_an_untouched_model_bit_equal(architecture, tokenizer):
    settings = {"embedding_dim": 8, "epochs": 1, "tokenizer": tokenizer, "architecture": architecture, "wide": True}
    start = textcnn.train(PAIRS, **settings)
    assert logits(untouched(PAIRS, start.artifact)).tobytes() == logits(start).tobytes()


def test_new_words_and_labels_leave_the_old_columns_of_known_texts_as_they_were(model):
    """To rounding: a product of more columns may add up in another order."""
    new = untouched([*PAIRS, *MORE], model.artifact)
    assert new.classes_ == ["neg", "pos", "mixed"]
    known = [text for text, _ in PAIRS]
    np.testing.assert_allclose(logits(new, known)[:, :2], logits(model, known), rtol=1e-5, atol=1e-6)
    assert new.artifact.inputs.tokenizer.types()[-2:] == ["middling", "picture"]
    assert new.artifact.inputs.tokenizer.types()[:-2] == model.artifact.inputs.tokenizer.types()


def test_new_features_start_at_naive_bayes_and_labels_without_rows_at_nothing(model):
    new = untouched(MORE, model.artifact).artifact
    table = new.model.wide.table.weight
    fresh = ~np.isin(new.inputs.wide.keys, model.artifact.inputs.wide.keys)
    assert fresh.any()
    assert not table[torch.from_numpy(fresh)].any()  # one label alone tells nothing
    both = untouched([*PAIRS, *MORE], model.artifact).artifact
    fresh = ~np.isin(both.inputs.wide.keys, model.artifact.inputs.wide.keys)
    assert (both.model.wide.table.weight[torch.from_numpy(fresh)].argmax(1) == 2).all()


def test_a_rate_of_nothing_keeps_the_predictions(model, tmp_path):
    model.save(tmp_path / "m")
    found = textcnn.train(PAIRS, start_from=tmp_path / "m", **STILL)
    np.testing.assert_allclose(found.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-5)


def test_a_new_label_is_learned_and_the_old_ones_stay(model):
    run = train_text([*PAIRS, *MORE], {"epochs": 15, "batch_size": 8}, Silent(), start_from=model.artifact)
    predictor = run.predictor
    assert predictor.predict([text for text, _ in PAIRS + MORE]) == [label for _, label in PAIRS + MORE]
    assert predictor.artifact.config == model.artifact.config
    assert run.summary["num_labels"] == 3


def test_multi_label_too():
    start = textcnn.train(MANY, **TINY)
    assert start.classes_ == ["film", "neg", "pos"]
    new = [*MANY, *((text, [label, "odd"]) for text, label in MORE)]
    fresh = untouched(new, start.artifact)
    assert fresh.classes_ == ["film", "neg", "pos", "mixed", "odd"]
    known = [text for text, _ in MANY[:6]]
    np.testing.assert_allclose(logits(fresh, known)[:, :3], logits(start, known), rtol=1e-5, atol=1e-6)
    run = train_text(new, {"epochs": 20, "batch_size": 4}, Silent(), start_from=start.artifact)
    assert run.predictor.labels.multi_label
    assert {"mixed", "odd"} <= set(run.predictor.predict(["middling picture number 3"])[0])


def test_a_head_of_one_row_grows_to_a_row_a_label():
    start = textcnn.train(PAIRS, binary_sigmoid=True, **TINY)
    same = untouched(PAIRS, start.artifact)
    assert logits(same).tobytes() == logits(start).tobytes()
    grown = untouched([*PAIRS, *MORE], start.artifact)
    known = [text for text, _ in PAIRS]
    np.testing.assert_allclose(logits(grown, known)[:, :2], logits(start, known), atol=1e-6)


def test_the_folder_is_only_read_unless_it_is_the_output(model, tmp_path):
    model.save(tmp_path / "m")
    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    textcnn.train([*PAIRS, *MORE], start_from=tmp_path / "m", output=tmp_path / "n", epochs=1)
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before
    textcnn.train([*PAIRS, *MORE], start_from=tmp_path / "m", output=tmp_path / "m", epochs=1)
    assert textcnn.load(tmp_path / "m").classes_ == ["neg", "pos", "mixed"]
    again = textcnn.train(PAIRS, start_from=tmp_path / "n", epochs=1)  # and once more
    assert again.classes_ == ["neg", "pos", "mixed"]


def test_what_new_data_lacks_is_told(model):
    reporter = Heard()
    labels = extended_labels(model.labels, [("mixed",), ("pos",), ("a",)], reporter)
    assert labels.names == ("neg", "pos", "a", "mixed")
    assert reporter.said[0] == "new labels: 'a', 'mixed'"
    assert "no row has 'neg'; a model forgets what it is not shown" in reporter.said[1]


def test_new_words_obey_frequency_and_size():
    tokenizer = Tokenizer.train(["a b"], TextConfig())
    texts = ["c c c d d e a", "d c"]
    assert tokenizer.with_words_of(texts, TextConfig()).types() == ["[PAD]", "[UNK]", "a", "b", "c", "d", "e"]
    assert tokenizer.with_words_of(texts, TextConfig(min_frequency=3)).types()[4:] == ["c", "d"]
    assert tokenizer.with_words_of(texts, TextConfig(vocabulary_size=5)).types()[4:] == ["c"]
    assert tokenizer.with_words_of(["[PAD] x"], TextConfig()).types()[4:] == ["[", "]", "pad", "x"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "bag"}, "architecture is 'bag', but the model 'm' has 'kim'; leave it out"),
        ({"embedding_dim": 9}, "embedding_dim is 9, but the model 'm' has 8; leave it out"),
        ({"kernel_sizes": [2]}, r"kernel_sizes is \[2\], but the model 'm' has \(3, 4, 5\)"),
        ({"hidden_size": 2}, "hidden_size is 2, but the model 'm' has no such setting"),
        ({"max_length": 7}, "max_length is 7, but the model 'm' has None"),
        ({"tokenizer": "char"}, "tokenizer is 'char', but the model 'm' has 'word'"),
        ({"multi_label": True}, "multi_label is True, but the model 'm' has False"),
        ({"preset": "fast"}, "embedding_dim is 48, but the model 'm' has 8; leave it out; num_filters is 48"),
    ],
)
def test_settings_that_contradict_the_model(model, settings, message):
    with pytest.raises(ConfigError, match=message):
        continued_config(settings, model.artifact, "m")


def test_settings_that_say_what_the_model_says_are_no_contradiction(model):
    same = {"architecture": "kim", "kernel_sizes": [3, 4, 5], "num_filters": 4, "lowercase": True, "seed": 3}
    config = continued_config(same, model.artifact, "m")
    assert config.model == model.artifact.config
    assert config.training.seed == 3


def test_faults_of_the_user(model, tmp_path):
    with pytest.raises(ConfigError, match="folds is 3, but the run starts from a model that may have seen the rows"):
        train_text(PAIRS, {}, Silent(), folds=3, start_from=model.artifact)
    with pytest.raises(ArtifactError, match=r"expected a model folder at '.*nowhere', found none"):
        textcnn.train(PAIRS, start_from=tmp_path / "nowhere")


def test_from_the_command_line(model, tmp_path):
    model.save(tmp_path / "m")
    lines = ["text,label", *(f"{text},{label}" for text, label in MORE)]
    (tmp_path / "more.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = ["train", str(tmp_path / "more.csv"), "--from", str(tmp_path / "m"), "-o", str(tmp_path / "n")]
    found = CliRunner().invoke(app, [*command, "--epochs", "1"])
    assert found.exit_code == 0, found.output
    assert "new labels: 'mixed'" in found.stderr
    assert "2 new types" in found.stderr
    assert textcnn.load(tmp_path / "n").classes_ == ["neg", "pos", "mixed"]
    found = CliRunner().invoke(app, [*command, "--architecture", "lstm"])
    assert "architecture is 'lstm', but the model" in str(found.exception)


def test_prepared_rows_train_the_same_model_again(model):
    from textcnn.config import Config

    prepared = prepare_text(PAIRS, Config.from_flat(TINY), Silent())
    for _ in range(2):
        found = train_prepared(prepared, Silent()).predictor
        assert logits(found).tobytes() == logits(model).tobytes()


@pytest.mark.parametrize("channels", ["fine-tuned", "static", "multichannel"])
def test_models_with_vectors_continue_without_their_file(channels, tmp_path):
    random = np.random.default_rng(0)
    words = ["good", "bad", "film", "number", "kept"]
    lines = [f"{word} {' '.join(f'{x:.3f}' for x in random.normal(size=6))}" for word in words]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {"num_filters": 4, "epochs": 2, "vectors": str(tmp_path / "vectors.txt"), "embedding_channels": channels}
    start = textcnn.train(PAIRS, **settings)
    (tmp_path / "vectors.txt").unlink()
    known = [text for text, _ in PAIRS]
    new = logits(untouched([*PAIRS, *MORE], start.artifact), known)[:, :2]
    np.testing.assert_allclose(new, logits(start, known), rtol=1e-5, atol=1e-6)
    run = train_text([*PAIRS, *MORE], {"epochs": 1}, Silent(), start_from=start.artifact)
    assert run.predictor.artifact.config == start.artifact.config
    assert run.predictor.artifact.training["config"]["training"]["vector_learning_rate"] == 0.02
