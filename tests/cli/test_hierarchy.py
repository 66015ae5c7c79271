"""Trees of labels on the command line and in Python: trained, checked, classified, evaluated, inspected, reported."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from commands import invoke

import textcnn
from textcnn.errors import ArtifactError, ConfigError, DataError
from textcnn.estimator import TextCNNClassifier
from textcnn.label_tree import LabelTree

WORDS = {
    "animal": "a living creature",
    "animal/dog": "barks and wags its tail",
    "animal/cat": "purrs and climbs trees",
    "plant/oak": "a tree with acorns",
    "plant/moss": "green on wet stones",
}
ROWS = [(f"{text} number {n} {n % 7}", label) for n in range(60) for label, text in WORDS.items()]
TINY = {"epochs": 4, "embedding_dim": 8, "num_filters": 4, "threads": 1}
TREE = LabelTree.of_paths(sorted(WORDS), "/")


def write(path, rows, header=("text", "label")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file of rows, their model in a tree of paths, and the flat model of the same settings."""
    place = tmp_path_factory.mktemp("trees")
    write(place / "rows.csv", ROWS)
    for name, hierarchy in {"tree": "/", "flat": None}.items():
        textcnn.train(str(place / "rows.csv"), hierarchy=hierarchy, output=place / name, **TINY)
    return place


def answers(found):
    return [json.loads(line) for line in found.stdout.splitlines()]


def test_the_tree_changes_neither_weights_nor_labels(folder):
    for file in ("model.safetensors", "tokenizer.json"):
        assert (folder / "tree" / file).read_bytes() == (folder / "flat" / file).read_bytes()
    texts = [text for text, _ in ROWS[:20]]
    tree, flat = textcnn.load(folder / "tree"), textcnn.load(folder / "flat")
    assert tree.predict(texts) == flat.predict(texts)
    assert (tree.predict_proba(texts) == flat.predict_proba(texts)).all()
    assert "hierarchy" not in json.loads((folder / "flat" / "config.json").read_text())
    assert json.loads((folder / "tree" / "config.json").read_text())["hierarchy"] == {"separator": "/"}


def test_classify_answers_the_deepest_sure_node(folder):
    texts = ["barks", "a tree", "nothing of this kind"]
    probs = textcnn.load(folder / "tree").predict_proba(texts)
    nodes = TREE.probabilities(probs)
    plain = answers(invoke("classify", folder / "tree", *texts))
    assert [row["level"] for row in plain] == [len(row["label"].split("/")) for row in plain]
    assert [row["probability"] for row in plain] == probs.max(axis=1).tolist()
    for least in (0.55, 0.8, 0.999999):
        found = answers(invoke("classify", folder / "tree", *texts, "--min-probability", least, "--top-k", 2))
        expected = TREE.answers(probs, least)
        for number, row in enumerate(found):
            assert row["label"] == TREE.nodes[expected.numbers[number]]
            assert row["level"] == expected.levels[number]
            assert row["probability"] == nodes[number, expected.numbers[number]]
            assert row["flags"] == (["unsure"] if not row["level"] else [])
            assert {entry["label"] for entry in row["top"]} <= set(WORDS)
            assert row["path"][0]["probability"] == nodes[number, TREE.levels == 1].max()
    assert textcnn.load(folder / "tree").predict_nodes(texts, min_probability=0.999999) == [
        row["label"] if row["level"] else None for row in found
    ]


def test_a_certificate_is_of_labels_and_not_of_nodes_that_a_threshold_chose(folder):
    command = ["classify", folder / "tree", *[text for text, _ in ROWS[:10]], "--precision", "int8"]
    assert any(row["certified"] for row in answers(invoke(*command)))
    assert not any(row["certified"] for row in answers(invoke(*command, "--min-probability", 0.6)))


def test_files_processes_and_columns_have_the_same_answers(folder, tmp_path):
    import pyarrow

    command = ["classify", folder / "tree", "--input", folder / "rows.csv", "--text-column", "text"]
    invoke(*command, "--output", tmp_path / "a.csv")
    invoke(*command, "--output", tmp_path / "b.csv", "--workers", 2)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["text", "label", "probability", "level", "flags", "input_label"]
    predictor = textcnn.load(folder / "tree")
    for top_k in (None, 3):
        column = predictor.predict_arrow(pyarrow.array([row["text"] for row in rows]), top_k=top_k)
        assert column.field("level").to_pylist() == [int(row["level"]) for row in rows]
        assert column.field("label").to_pylist() == [row["label"] for row in rows]
    assert [entry["label"] for entry in column.field("path")[0].as_py()] == ["animal"]


def test_held_out_rows_promise_the_accuracy_of_nodes(folder):
    found = invoke("evaluate", folder / "tree", folder / "rows.csv", "--min-accuracy", 0.9, "--json")
    scores = json.loads(found.stdout)
    assert scores["sure"]["accuracy"] >= 0.9
    assert sum(scores["sure"]["levels"]) == pytest.approx(scores["sure"]["share"])
    assert [entry["level"] for entry in scores["hierarchy"]["levels"]] == [1, 2]
    assert scores["hierarchy"]["levels"][-1]["accuracy"] == scores["accuracy"]
    assert set(scores["hierarchy"]["per_node"]) == {"animal", "plant"}
    assert "from probability" in found.stderr
    shown = invoke("evaluate", folder / "tree", folder / "rows.csv", "--min-probability", 0.6).stdout
    assert "tree: accuracy at level 1 " in shown
    assert " at level 2, accuracy " in shown
    nodes = textcnn.load(folder / "tree").predict_nodes([text for text, _ in ROWS], min_accuracy=0.9)
    right = [
        node is not None and f"{label}/".startswith(f"{node}/") for node, (_, label) in zip(nodes, ROWS, strict=True)
    ]
    assert np.mean([node is not None for node in nodes]) == scores["sure"]["share"]
    assert sum(right) / sum(node is not None for node in nodes) == scores["sure"]["accuracy"]


def test_reasons_are_of_the_likeliest_label_below_the_node(folder):
    probs = textcnn.load(folder / "tree").predict_proba([text for text, _ in ROWS])
    found = answers(
        invoke("classify", folder / "tree", *[t for t, _ in ROWS[:10]], "--explain", "--min-probability", 0.9)
    )
    for row, own in zip(found, probs, strict=False):
        below = [place for place, name in enumerate(TREE.labels) if f"{name}/".startswith(f"{row['label']}/")]
        assert row["explanation"]["label"] == TREE.labels[below[own[below].argmax()]]
    with pytest.raises(ConfigError, match="evidence is of labels, and by --min-probability or --min-accuracy"):
        invoke("classify", folder / "tree", "a text", "--min-probability", 0.9, "--abstain-label", "none")


def test_inspect_and_card_show_the_tree(folder):
    shown = invoke("inspect", folder / "tree").stdout
    assert "tree of labels:\n  animal\n    animal/cat\n    animal/dog\n  plant (no label)\n    plant/moss\n" in shown
    document = json.loads(invoke("inspect", folder / "tree", "--json").stdout)
    assert document["tree"][0] == {"label": "animal", "level": 1, "is_label": True}
    assert json.loads(invoke("inspect", folder / "flat", "--json").stdout)["tree"] is None
    assert "They are a tree of 5 labels: 2 levels below the root" in (folder / "tree" / "README.md").read_text()


def test_the_report_draws_the_tree(folder, tmp_path):
    invoke("evaluate", folder / "tree", folder / "rows.csv", "--report", tmp_path / "tree")
    page = (tmp_path / "tree" / "report.html").read_text()
    assert '<th scope="row" dir="auto" style="--level: 1">animal</th>' in page
    assert '<th scope="row" dir="auto" style="--level: 2">animal itself</th>' in page
    assert page.count("--level: 2") == 5
    invoke("evaluate", folder / "flat", folder / "rows.csv", "--report", tmp_path / "flat")
    assert "--level: 2" not in (tmp_path / "flat" / "report.html").read_text()


def test_the_data_check_tells_of_the_tree(folder):
    found = invoke("data", "check", folder / "rows.csv", "--hierarchy", "/")
    tree = "a tree of 5 labels: 2 levels below the root, 2 inner nodes; labels at inner nodes: 'animal'"
    assert f"note: {tree}" in found.stderr
    found = invoke("data", "check", folder / "rows.csv", "--hierarchy", ".")
    assert "note: the tree has one level, so it says nothing" in found.stderr


def test_a_file_of_parents_is_a_tree_of_names(tmp_path):
    rows = [(text, label.rpartition("/")[2]) for text, label in ROWS]
    parents = [
        ("dog", "animal"),
        ("cat", "animal"),
        ("animal", ""),
        ("oak", "plant"),
        ("moss", "plant"),
        ("elm", "plant"),
    ]
    tree = write(tmp_path / "tree.csv", parents, header=("child", "parent"))
    with pytest.warns(textcnn.DataWarning, match="1 node of .* without a label at or below them left out"):
        predictor = textcnn.train(rows, hierarchy=str(tree), output=tmp_path / "model", **TINY)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["hierarchy"]["parents"]["oak"] == "plant"
    assert set(predictor.predict_nodes([text for text, _ in rows], min_probability=0.6)) <= {
        *("animal", "dog", "cat", "plant", "oak", "moss", None)
    }
    more = [*rows, *[(f"a needle of the forest {n}", "pine") for n in range(30)]]
    with pytest.raises(DataError, match="all labels in the tree, found no line child,parent with 'pine'"):
        textcnn.train(more, start_from=tmp_path / "model", epochs=1, threads=1)
    write(tree, [*parents, ("pine", "plant")], header=("child", "parent"))
    longer = textcnn.train(more, start_from=tmp_path / "model", hierarchy=str(tree), epochs=1, threads=1)
    assert "pine" in longer.labels.tree.nodes


def test_a_model_goes_on_with_its_tree(folder):
    more = [*ROWS, *[(f"a needle of the forest {n}", "plant/pine") for n in range(30)]]
    found = textcnn.train(more, start_from=folder / "tree", epochs=1, threads=1)
    assert found.labels.tree.nodes[-3:] == ("plant/moss", "plant/oak", "plant/pine")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,b", "b,a"], r"tree.csv: expected a tree, found a circle of parents: 'a', 'b', 'a'"),
        (["a,b", ",b"], r"tree.csv:2: expected a child before the parent 'b', found none"),
        (["a,b", "a,c"], r"tree.csv:2: expected one parent of 'a', found 'b' and 'c'"),
        (["a,b", "a"], r"tree.csv:2: expected a line child,parent, found \['a'\]"),
        (["a,b"], r"expected all labels in the tree, found no line child,parent with 'animal', .* and 2 more; add it"),
    ],
)
def test_what_is_no_tree_is_one_line(folder, tmp_path, lines, message):
    (tmp_path / "tree.csv").write_text("\n".join(lines), encoding="utf-8")
    for command in (["train", folder / "rows.csv", "-o", tmp_path / "model"], ["data", "check", folder / "rows.csv"]):
        with pytest.raises(DataError, match=message):
            invoke(*command, "--hierarchy", tmp_path / "tree.csv")


def test_other_separators_are_refused(folder):
    with pytest.raises(ConfigError, match=r"hierarchy must be one of / \. > or a file child,parent, got '::'"):
        invoke("data", "check", folder / "rows.csv", "--hierarchy", "::")


def test_a_tree_that_does_not_fit_the_labels_is_a_damaged_folder(folder, tmp_path):
    textcnn.load(folder / "tree").save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    saved = json.loads(path.read_text())
    for value, message in {
        "-": r"hierarchy is {'separator': '-'}",
        ".": None,
    }.items():
        path.write_text(json.dumps({**saved, "hierarchy": {"separator": value}}))
        if message is not None:
            with pytest.raises(ArtifactError, match=message):
                textcnn.load(tmp_path / "model")
    path.write_text(json.dumps({**saved, "hierarchy": {"parents": {"animal": ""}}}))
    with pytest.raises(ArtifactError, match="hierarchy does not fit the labels: expected all labels in the tree"):
        textcnn.load(tmp_path / "model")


def test_several_labels_a_row_are_in_a_tree_too(tmp_path):
    rows = [
        (f"{a} {b} {n}", [la, lb]) for n in range(25) for la, a in WORDS.items() for lb, b in WORDS.items() if la < lb
    ]
    predictor = textcnn.train(rows, hierarchy="/", output=tmp_path / "model", **TINY)
    (row,) = answers(invoke("classify", tmp_path / "model", "barks and green stones", "--top-k", 3))
    assert row["level"] == len(row["label"].split("/"))
    assert row["path"][0]["probability"] == row["path"][-1]["probability"] == row["probability"]
    scores = predictor.score(predictor.inputs.encode([text for text, _ in rows]), [tuple(names) for _, names in rows])
    assert scores["hierarchy"]["levels"][1]["accuracy"] == scores["accuracy"]
    assert scores["hierarchy"]["levels"][0]["accuracy"] >= scores["accuracy"]
    with pytest.raises(ConfigError, match="predict_nodes is for one label a row in a tree"):
        predictor.predict_nodes(["barks"], min_probability=0.5)


def test_the_estimator_answers_nodes():
    model = TextCNNClassifier(hierarchy="/", **TINY).fit([text for text, _ in ROWS], [label for _, label in ROWS])
    assert set(model.predict_nodes(["barks", "acorns"], min_probability=0.5)) <= {*TREE.nodes, None}
    with pytest.raises(ConfigError, match="expected min_probability or min_accuracy, and not both"):
        model.predict_nodes(["barks"])
    with pytest.raises(ConfigError, match=r"min_probability must be in \[0, 1\], got 1.5"):
        model.predict_nodes(["barks"], min_probability=1.5)
    flat = TextCNNClassifier(**TINY).fit([text for text, _ in ROWS], [label for _, label in ROWS])
    assert (flat.predict_proba(["barks"]) == model.predict_proba(["barks"])).all()
    with pytest.raises(ConfigError, match="predict_nodes is for one label a row in a tree: train with hierarchy"):
        flat.predict_nodes(["barks"], min_probability=0.5)


def test_engines_and_filters_know_nodes(folder, tmp_path):
    import polars

    from textcnn.cluster.spark import _sql
    from textcnn.engines.polars import classify
    from textcnn.prediction.arrow import answer_type

    predictor, texts = textcnn.load(folder / "tree"), [text for text, _ in ROWS[:20]]
    frame = polars.DataFrame({"text": texts}).with_columns(answer=classify(folder / "tree", "text", top_k=1))
    rows = answers(invoke("classify", folder / "tree", *texts, "--top-k", 1))
    assert [{"text": text, **row} for text, row in zip(texts, frame["answer"].to_list(), strict=True)] == rows
    pairs = "array<struct<label: string, probability: double>>"
    assert _sql(answer_type(predictor.labels, top_k=1)) == (
        f"struct<label: string, probability: double, level: bigint, top: {pairs}, path: {pairs}, flags: array<string>>"
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    command = ["filter", folder / "tree", tmp_path / "in", "--output", tmp_path / "out", "--min-probability", 0.9]
    invoke(*command, "--keep", "animal")
    kept = [json.loads(line)["text"] for line in (tmp_path / "out" / "a.jsonl").read_text().splitlines()]
    nodes = TREE.probabilities(predictor.predict_proba(texts))[:, TREE.nodes.index("animal")]
    assert kept == [text for text, value in zip(texts, nodes, strict=True) if value >= 0.9]
    with pytest.raises(ConfigError, match=r"--keep expects a label of the model .* got 'animals'"):
        invoke(*command, "--keep", "animals")


def test_calibration_on_further_rows_promises_nodes_too(folder, tmp_path):
    predictor = textcnn.train(ROWS, hierarchy="/", calibrate="none", output=tmp_path / "model", **TINY)
    with pytest.raises(
        ConfigError, match="min_accuracy needs a model with one label a row and answers to held-out rows"
    ):
        predictor.predict_nodes(["barks"], min_accuracy=0.9)
    invoke("calibrate", tmp_path / "model", folder / "rows.csv")
    held_out = textcnn.load(tmp_path / "model").held_out
    assert (held_out.surest >= held_out.confidence).all()
    assert (held_out.first_wrong <= held_out.surest).all()
    found = invoke("evaluate", tmp_path / "model", folder / "rows.csv", "--min-accuracy", 0.9, "--json")
    assert json.loads(found.stdout)["sure"]["accuracy"] >= 0.9  # on the very rows


def test_cross_validation_and_smaller_folders_keep_the_tree(folder, tmp_path):
    invoke(
        *("train", folder / "rows.csv", "--hierarchy", "/", "--folds", 2, "--epochs", 1, "-o", tmp_path / "model"),
        *("--set", "embedding_dim=8", "--set", "num_filters=4"),
    )
    invoke("export", tmp_path / "model", "--max-size", "60K", "-o", tmp_path / "small")
    for name in ("model", "small"):
        assert textcnn.load(tmp_path / name).labels.tree == TREE


def test_rows_that_are_abstained_from_are_at_the_root():
    from textcnn.labels import Labels
    from textcnn.prediction.answers import answers_of
    from textcnn.runtime.text_model import Answers

    labels = Labels(TREE.labels).with_tree({"separator": "/"})
    none = np.zeros(2, np.bool_)
    probs = np.tile([[0.1, 0.2, 0.6, 0.05, 0.05]], (2, 1))
    given = Answers(probs, [("animal/dog",)] * 2, none, none, strange=np.array([True, False]))
    found = list(answers_of(labels, given, abstain="else"))
    assert [(row["label"], row["level"], row["nearest_label"]) for row in found] == [
        *(("else", 0, "animal/dog"), ("animal/dog", 2, "animal/dog"))
    ]


def test_images_have_trees_too(tmp_path):
    random = np.random.default_rng(0)
    np.savez(tmp_path / "images.npz", images=random.integers(0, 255, (24, 8, 8, 1), np.uint8), labels=np.arange(24) % 3)
    write(tmp_path / "tree.csv", [("0", "even"), ("2", "even"), ("1", "odd")])
    invoke(
        *("image", "train", tmp_path / "images.npz", "-o", tmp_path / "model", "--epochs", 1),
        *("--set", f"hierarchy={tmp_path / 'tree.csv'}", "--set", "channels=[4, 4]", "--set", "hidden_size=8"),
    )
    rows = answers(invoke("image", "classify", tmp_path / "model", tmp_path / "images.npz", "--top-k", 1))
    assert all(row["level"] == 2 and row["path"][0]["label"] in ("even", "odd") for row in rows)
