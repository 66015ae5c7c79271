"""`textcnn explain`, `classify --explain` and `textcnn what-if`: for people and as JSON."""

import json

import pytest
from commands import invoke
from one_layer_models import make

from textcnn.errors import ArtifactError, ConfigError, DataError


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make().save(folder / "default")
    make(multi_label=True).save(folder / "multi")
    make(architecture="lstm").save(folder / "deep")
    return folder


@pytest.fixture
def run(models):
    def run(command, *args, model="default"):
        return invoke(command, models / model, *args).stdout

    return run


def check_sums(one):
    for kind in ("ngrams", "words"):
        total = one["bias"] + sum(e["contribution"] for e in one[kind] + one["other"])
        assert total == pytest.approx(one["logit"], abs=1e-9)


def test_explain_lists_everything_as_json(run):
    (row,) = json.loads(run("explain", "A good film, a bad plot", "--json"))
    one = row["explanation"]
    assert row["text"] == "A good film, a bad plot"
    assert list(one) == ["label", "logit", "bias", "ngrams", "words", "other"]
    assert sorted(entry["start"] for entry in one["words"]) == [0, 2, 7, 11, 13, 15, 19]
    check_sums(one)


def test_explain_shows_people_the_text_and_the_terms_that_add_up(run):
    shown = run("explain", "a good film", "--label", "pos", "--label", "neg")
    assert shown.count("a good film\n") == 2
    for word in ("pos", "neg", "bias", "wide", "of it 'good' at 2", "sum: the logit"):
        assert word in shown


def test_explain_shows_a_long_text_in_part(run):
    words = "a good film with bad plot , really ! it's fine and over musik für alle"
    assert "others" in run("explain", f"{words} {words[::-1]} {words}", "--all")


def test_classify_explains_the_predicted_label_or_all(run):
    text = "a good film with a good plot, a bad film, really bad!"
    plain = json.loads(run("classify", text))
    one = json.loads(run("classify", text, "--explain"))
    every = json.loads(run("classify", text, "--explain", "all"))
    assert one["explanation"]["label"] == plain["label"]
    assert [part["label"] for part in every["explanation"]] == ["neg", "pos", "unsure"]
    for row in (one, every):
        assert {name: value for name, value in row.items() if name != "explanation"} == plain
    for part in [one["explanation"], *every["explanation"]]:
        check_sums(part)
        assert [entry["text"] for entry in part["words"][10:]] == [""]
        assert len(part["ngrams"]) <= 11
    (named,) = json.loads(run("classify", text, "--explain=pos"))["explanation"]
    assert named == every["explanation"][1]


def test_explanations_go_into_files_of_json_lines(run, tmp_path):
    (tmp_path / "in.csv").write_text("text,n\ngood,1\n,2\n", encoding="utf-8")
    run("classify", "--input", tmp_path / "in.csv", "--explain", "--output", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["n"] for row in rows] == ["1", "2"]
    assert rows[1]["explanation"]["ngrams"] == rows[1]["explanation"]["words"] == []
    check_sums(rows[1]["explanation"])


def test_what_if_says_what_each_word_does(run):
    found = json.loads(run("what-if", "a good film", "--json"))
    assert sorted(entry["word"] for entry in found["deletions"]) == ["a", "film", "good"]
    for entry in found["deletions"]:
        rest = "a good film"[: entry["start"]] + " " + "a good film"[entry["end"] :]
        alone = json.loads(run("classify", rest, "--top-k", 3))
        assert alone["label"] == entry["label"]
        probability = {one["label"]: one["probability"] for one in alone["top"]}[found["label"]]
        assert entry["probability"] == pytest.approx(probability, abs=1e-6)
        assert entry["changed"] == (entry["label"] != found["label"])
    assert found["certified"] == (not found["flips"])
    shown = run("what-if", "a good film")
    assert ("no single deletion changes this" if found["certified"] else "without it another answer") in shown


def test_what_if_of_several_labels(run):
    found = json.loads(run("what-if", "a good film", "--json", model="multi"))
    assert all(set(entry["labels"]) <= {"neg", "pos", "unsure"} for entry in found["deletions"])
    assert "given" in run("what-if", "a good film", model="multi")


def test_what_if_with_a_file_of_synonyms(run, tmp_path):
    (tmp_path / "words.txt").write_text("good bad fine\n\nfilm plot\n", encoding="utf-8")
    found = json.loads(run("what-if", "a good film", "--synonyms", tmp_path / "words.txt", "--json"))
    assert [(entry["word"], entry["tried"]) for entry in found["replacements"]] == [("good", 2), ("film", 1)]
    for entry in found["replacements"]:
        for near in entry["nearest"]:
            text = "a good film".replace(entry["word"], near["word"])
            assert json.loads(run("classify", text))["label"] == near["label"]
    assert "nearest" in run("what-if", "a good film", "--synonyms", tmp_path / "words.txt")


def test_what_if_with_every_word_of_the_vocabulary(run):
    found = json.loads(run("what-if", "good", "--vocabulary", "--json"))
    (entry,) = found["replacements"]
    assert entry["tried"] > 10
    assert found["certified"] == (entry["flips"] == 0)
    assert len(entry["nearest"]) == 5


def test_the_smallest_set_keeps_the_label(run):
    found = json.loads(run("what-if", "a good film with a bad plot", "--smallest", "--json"))
    assert found["of"] == 7
    assert len(found["words"]) <= 7
    assert "of 7 words are enough" in run("what-if", "a good film with a bad plot", "--smallest")


@pytest.mark.slow
def test_what_cannot_be_asked_is_said(run, tmp_path):
    with pytest.raises(ConfigError, match="expects one of --synonyms, --vocabulary and --smallest, got several"):
        run("what-if", "good", "--vocabulary", "--smallest")
    with pytest.raises(ConfigError, match="what-if needs a one-layer model"):
        run("what-if", "good", model="deep")
    with pytest.raises(DataError, match=r"absent.txt: expected a file of lines `word other other`, but it cannot be"):
        run("what-if", "good", "--synonyms", tmp_path / "absent.txt")
    (tmp_path / "words.txt").write_text("good\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"words.txt:1: expected a word and the words it may become, got 'good'"):
        run("what-if", "good", "--synonyms", tmp_path / "words.txt")
    (tmp_path / "words.txt").write_text("good well-made\n", encoding="utf-8")
    with pytest.raises(DataError, match="words of one token to put in the place of 'good', got 'well-made'"):
        run("what-if", "good", "--synonyms", tmp_path / "words.txt")
    with pytest.raises(ConfigError, match="precision 'float32', this model was loaded with 'int8'"):
        run("classify", "good", "--explain", "--precision", "int8")
    with pytest.raises(ArtifactError, match="absent"):
        run("explain", "good", model="absent")
