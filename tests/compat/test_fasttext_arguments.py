"""Arguments of fastText's train_supervised, label lines and autotune, on our models."""

import inspect
import warnings

import pytest
from fasttext_rows import LINES, QUICK, write

import textcnn.compat.fasttext as fasttext
from textcnn.compat.fasttext_arguments import ALIASES, IGNORED, renamed, settings_of
from textcnn.errors import DataWarning, TextCNNError

ARGUMENTS = [
    "input",
    "lr",
    "dim",
    "ws",
    "epoch",
    "minCount",
    "minCountLabel",
    "minn",
    "maxn",
    "neg",
    "wordNgrams",
    "loss",
    "bucket",
    "thread",
    "lrUpdateRate",
    "t",
    "label",
    "verbose",
    "pretrainedVectors",
    "seed",
    "autotuneValidationFile",
    "autotuneMetric",
    "autotunePredictions",
    "autotuneDuration",
    "autotuneModelSize",
]


# ------------------------------------------------------------------------------------------------------ arguments


def test_arguments_have_fasttexts_names_and_order():
    assert list(inspect.signature(fasttext.train_supervised).parameters) == [*ARGUMENTS, "aliases"]
    assert set(ALIASES.values()) < set(ARGUMENTS)


def test_nothing_is_told_of_a_plain_call(folder, model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fasttext.train_supervised(input=str(folder / "train.txt"), **QUICK)


def test_one_warning_names_all_that_has_no_effect(folder):
    ignored = dict(zip(IGNORED, [1.0, 100, 100, 5, 5, 1e-4, 2_000_000, 0], strict=True))
    more = {"loss": "hs", "wordNgrams": 1, "minCountLabel": 2, "autotuneDuration": 5}
    with pytest.warns(UserWarning, match="fasttext") as told:
        fasttext.train_supervised(str(folder / "train.txt"), **QUICK, **ignored, **more)
    (message,) = [str(warning.message) for warning in told]
    assert message == (
        "textcnn.compat.fasttext: lr, lrUpdateRate, dim, ws, neg, t, bucket, verbose: ignored; loss='hs': trained as "
        "softmax; wordNgrams=1: pairs of words and windows of 3 to 5 are read all the same; minCountLabel=2: rare "
        "labels are trained too; autotuneDuration: ignored without autotuneValidationFile"
    )
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {}),
        ({"epoch": 25, "thread": 2, "seed": 7}, {"epochs": 25, "threads": 2, "seed": 7}),
        ({"minCount": 5}, {"min_frequency": 5}),
        ({"minCount": 0}, {"min_frequency": 1}),
        ({"maxn": 0}, {"subwords": False}),
        ({"minn": 3}, {"subwords": False}),
        ({"minn": 3, "maxn": 2}, {"subwords": False}),
        ({"minn": 3, "maxn": 6}, {"subwords": True, "ngram_min": 3, "ngram_max": 6}),
        ({"maxn": 6}, {"subwords": True, "ngram_min": 1, "ngram_max": 6}),
        ({"wordNgrams": 5}, {}),
        ({"wordNgrams": 7}, {"kernel_sizes": [3, 4, 5, 6, 7]}),
        ({"loss": "ova"}, {"multi_label": True}),
        ({"loss": "softmax"}, {}),
        ({"pretrainedVectors": "a.vec"}, {"vectors": "a.vec"}),
        ({"label": "#"}, {}),
        ({"minCountLabel": 0, "autotuneMetric": "f1", "autotuneValidationFile": "a"}, {}),
    ],
)
def test_arguments_become_settings(given, wanted):
    assert settings_of(given) == ({"multi_label": False, **wanted}, "")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"loss": "ns"}, "loss='ns': trained as softmax"),
        ({"autotuneValidationFile": "a", "autotuneMetric": "f1:__label__a"}, "selected by accuracy"),
        ({"autotuneValidationFile": "a", "autotunePredictions": 2}, "by the most probable label"),
        ({"autotuneValidationFile": "a", "autotuneModelSize": "2M"}, "textcnn export MODEL --max-size SIZE"),
        ({"autotuneMetric": "f1"}, "autotuneMetric: ignored without autotuneValidationFile"),
    ],
)
def test_what_cannot_be_expressed_is_told(given, told):
    assert told in settings_of(given)[1]


def test_other_names_of_arguments(folder):
    assert renamed({"lr": 1.0}, dict.fromkeys(ALIASES, 3)) == {"lr": 1.0, **dict.fromkeys(ALIASES.values(), 3)}
    with pytest.raises(TypeError, match="multiple values for argument 'minCount'"):
        renamed({"minCount": 1}, {"min_count": 2})
    with pytest.raises(TypeError, match="unexpected keyword argument 'epochs'"):
        fasttext.train_supervised(str(folder / "train.txt"), epochs=3)
    assert renamed({"pretrainedVectors": "", "epoch": None, "minn": 0}, {}) == {"minn": 0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": "x"}, "loss must be one of softmax, ova, hs, ns"),
        ({"epoch": 0}, "epochs must be"),
        ({"seed": -1}, "seed"),
    ],
)
def test_values_out_of_range_are_value_errors(folder, given, message):
    with pytest.raises(ValueError, match=message) as found:
        fasttext.train_supervised(str(folder / "train.txt"), **given)
    assert isinstance(found.value, TextCNNError)


def test_arguments_reach_the_run(folder, tmp_path):
    vectors = write(tmp_path / "a.vec", ["2 3", "film 1 0 0", "dull 0 1 0"])
    model = fasttext.train_supervised(
        folder / "train.txt",
        epoch=2,
        minCount=2,
        minn=2,
        maxn=3,
        wordNgrams=6,
        thread=1,
        seed=5,
        pretrainedVectors=vectors,
    )
    config = model.predictor.artifact.training["config"]
    assert [config["training"][name] for name in ("epochs", "threads", "seed")] == [2, 1, 5]
    assert config["text"]["min_frequency"] == 2
    assert [config["model"][name] for name in ("subwords", "ngram_min", "ngram_max")] == [True, 2, 3]
    assert config["model"]["settings"]["kernel_sizes"] == [3, 4, 5, 6]
    assert (config["model"]["vectors"], model.get_dimension()) == ("a.vec", 3)
    assert ("number" in model, "cold" in model) == (True, True)


def test_a_seed_decides(folder):
    one, same, other = (
        fasttext.train_supervised(folder / "train.txt", seed=seed, **QUICK).predict("a film")[1][0]
        for seed in (1, 1, 2)
    )
    assert one == same != other


# ---------------------------------------------------------------------------------------------------- label lines


def test_lines_with_several_labels_share_a_weight(folder):
    with pytest.warns(DataWarning, match="36 lines of .*several.txt with several labels: each is trained as a row for"):
        model = fasttext.train_supervised(folder / "several.txt", **QUICK)
    labels, values = model.predict("a dull cold film", k=2)
    assert set(labels) == {"__label__film", "__label__bad"}
    assert model.predict("a dull cold film", k=-1)[1].sum() == pytest.approx(1)
    assert values[1] > 0.25
    assert not model.predictor.labels.multi_label
    assert dict(zip(*model.get_labels(include_freq=True), strict=True))["__label__film"] == 36


def test_labels_stay_as_they_are_written(tmp_path):
    names = ["True", "true", "1", "1.0", "0", "a|b", "[x]"]
    lines = [f"word{n} __label__{name} number {k}" for n, name in enumerate(names) for k in range(3)]
    model = fasttext.train_supervised(write(tmp_path / "a.txt", lines), **QUICK)
    assert set(model.labels) == {"__label__" + name for name in names}
    both = [f"__label__0 __label__1 word{n % 3}" for n in range(9)]
    model = fasttext.train_supervised(write(tmp_path / "b.txt", both), loss="ova", **QUICK)
    assert sorted(model.labels) == ["__label__0", "__label__1"]


def test_lines_without_a_label_are_left_out_and_told(tmp_path):
    with pytest.warns(DataWarning, match="1 row without a label was dropped"):
        model = fasttext.train_supervised(write(tmp_path / "a.txt", [*LINES, "nothing of it"]), **QUICK)
    assert model.predictor.artifact.training["examples"]["train"] == len(LINES)
    with pytest.raises(ValueError, match="expected lines with a label, such as __label__good a fine film, found none"):
        fasttext.train_supervised(write(tmp_path / "b.txt", ["nothing of it"]))


# ------------------------------------------------------------------------------------------------------- autotune


@pytest.mark.slow
def test_autotune_searches_within_its_time(folder, tmp_path):
    pytest.importorskip("optuna")
    valid = write(tmp_path / "valid.txt", LINES[:9])
    model = fasttext.train_supervised(
        folder / "train.txt", autotuneValidationFile=valid, autotuneDuration=6, epoch=2, thread=1
    )
    training = model.predictor.artifact.training
    assert training["tuning"]["trials"]["finished"] >= 1
    assert training["examples"]["dev"] == 9
    assert training["config"]["training"]["epochs"] == 2, "what was given is not searched"
    assert model.predict("a dull film")[0] == ("__label__bad",)
