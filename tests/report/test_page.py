"""The page: everything is in it, escaped; what is optional is there when it is given."""

import dataclasses
import re
import sys
from html.parser import HTMLParser

import pytest

import textcnn
from textcnn.errors import ConfigError, DataError, MissingExtraError
from textcnn.report import check_report, gather, write_report
from textcnn.report.content import Phrase, Reason
from textcnn.report.page import render

EVIL = "<script>document.title='taken'</script>"


class Page(HTMLParser):
    """The elements of a page, their attributes and its text."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return "".join(self.words)

    def marks(self):
        return [attrs for tag, attrs in self.elements if tag == "mark" and "title" in attrs]


@pytest.fixture(params=["single", "multi"])
def kind(request):
    return request.param


@pytest.fixture
def report(kind, reports):
    return reports[kind]


@pytest.fixture(scope="module")
def sources(reports):
    return {name: render(report) for name, report in reports.items()}


@pytest.fixture
def source(kind, sources):
    """The page of the report as it was gathered."""
    return sources[kind]


def test_all_sections_and_pictures_are_there(report, source):
    page = Page(source)
    ids = [attrs["id"] for tag, attrs in page.elements if tag == "section"]
    assert ids == ["metrics", "labels", "confusions", "calibration", "training", "texts", "errors", "speed"]
    of_one_label = not report.config["problem_type"].startswith("multi")  # has the curve of sure answers
    assert [tag for tag, _ in page.elements].count("svg") == 5 + of_one_label
    labels = report.config["labels"]
    assert all(label in page.text for label in labels)
    for word in ("95 % confidence intervals", "ECE", "median length", "texts/s", "parameters"):
        assert word in page.text


def test_nothing_of_a_text_or_label_becomes_an_element(source):
    page = Page(source)
    assert EVIL in page.text
    assert "onerror" in page.text
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "form", "amp"}
    assert not [attrs for _, attrs in page.elements if any(name.startswith("on") for name in attrs)]


def test_the_page_asks_nothing_of_the_network(source):
    for tag, attrs in Page(source).elements:
        for name in ("src", "href", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:")), (tag, attrs)
    assert not re.search(r"url\((?!#)", source)
    assert "default-src 'none'" in source


def test_ids_are_of_one_element_each(source):
    found = [attrs["id"] for _, attrs in Page(source).elements if "id" in attrs]
    assert len(found) == len(set(found))


def test_reasons_are_marked_where_they_are_given(report, source):
    assert not Page(source).marks()
    mistakes = report.measured.mistakes
    reasons = [[Reason(0, 3, 1.5), Reason(4, 5, -0.75)] if len(m.text) > 5 else [] for m in mistakes]
    page = Page(render(dataclasses.replace(report, reasons=reasons)))
    marked = sum(map(bool, reasons))
    assert marked >= 1
    assert [m["title"] for m in page.marks()] == ["+1.500", "-0.750"] * marked
    assert [m.get("class") for m in page.marks()] == [None, "against"] * marked
    assert page.marks()[1]["style"] == "--strength: 0.500"
    assert EVIL in page.text


def test_reasons_must_be_of_these_errors(report):
    number = len(report.measured.mistakes)
    with pytest.raises(DataError, match=rf"expected reasons for each of {number} errors, got them for {number + 1}"):
        render(dataclasses.replace(report, reasons=[[]] * (number + 1)))


def test_phrases_are_there_when_given(report, source):
    assert "Phrase book" not in source
    phrases = {"glad": [Phrase("so good", 1.234), Phrase(EVIL, 0.5)], EVIL: [Phrase("bad", -2.0)]}
    page = Page(render(dataclasses.replace(report, phrases=phrases)))
    assert "phrases" in [attrs.get("id") for _, attrs in page.elements]
    for words in ("so good", "+1.23", "-2.00", EVIL):
        assert words in page.text
    assert "script" not in {tag for tag, _ in page.elements}


def test_what_came_of_a_teacher_is_there(report):
    held_out = {"rows": 24, "teacher": 0.9, "pupil": 0.95, "without": 0.7}
    row = {"text": "<b>odd</b>", "pupil": ["pos", 0.9], "teacher": ["neg", 0.8], "reasons": ["a < b", "film"]}
    facts = {"name": "judge", "labelled": 24, "unlabelled": 300, "metric": "accuracy", "held_out": held_out}
    facts |= {"used": True, "weight": 0.3, "agreement": 0.925, "differences": [row]}
    page = render(dataclasses.replace(report, training={**report.training, "teacher": facts}))
    for part in (
        "judge answered for 300 texts",
        "its answer counts 0.3",
        "92.5",
        "&lt;b&gt;odd",
        "a &lt; b, film",
        "95.0",
    ):
        assert part in page, part
    facts |= {"used": False, "weight": None, "held_out": None, "differences": []}
    page = render(dataclasses.replace(report, training={**report.training, "teacher": facts}))
    assert "It was left out" in page


def test_a_long_text_is_cut_and_says_so(report):
    first = dataclasses.replace(report.measured.mistakes[0], text="word " * 2000)
    measured = dataclasses.replace(report.measured, mistakes=[first])
    for reasons in (None, [[Reason(5, 4500, 1.0), Reason(9000, 9004, 1.0)]]):
        page = Page(render(dataclasses.replace(report, measured=measured, reasons=reasons)))
        assert page.text.count("word ") < 810
        assert "… and 6,000 more characters" in page.text


def test_a_page_of_the_training_alone(models):
    page = Page(render(gather(textcnn.load(models / "single"), models / "single", None)))
    assert "There were no test or dev rows" in page.text
    assert [attrs["id"] for tag, attrs in page.elements if tag == "section"] == ["training", "texts", "speed"]
    assert [tag for tag, _ in page.elements].count("svg") == 3


def test_a_model_without_history_or_statistics(reports):
    """A folder that an earlier version wrote, or a converter."""
    page = Page(render(dataclasses.replace(reports["single"], training={}, timing={})))
    assert [tag for tag, _ in page.elements].count("svg") == 4
    assert "training rows" not in page.text


def test_rows_that_chose_the_epoch_are_told(reports, sources):
    measured = dataclasses.replace(reports["single"].measured, part="dev")
    assert "Training used these rows" in render(dataclasses.replace(reports["single"], measured=measured))
    assert "Training used these rows" not in sources["single"]


def test_many_labels_are_folded_and_drawn_in_grey(reports):
    from textcnn.evaluation.metrics import confusion
    from textcnn.labels import Labels

    names = tuple(f"label {n:02}" for n in range(40))
    measured, rows = reports["single"].measured, [(name,) for name in names]
    curve = next(iter(measured.curves.values()))
    per_label = {name: {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1} for name in names}
    measured = dataclasses.replace(
        measured,
        scores={**measured.scores, "per_label": per_label},
        curves=dict.fromkeys(names, curve),
        confusion=confusion(rows, rows[::-1], Labels(names)),
    )
    page = Page(render(dataclasses.replace(reports["single"], measured=measured)))
    assert "34 more" in page.text
    assert "The 25 labels with the fewest confusions are combined." in page.text


def test_the_page_is_written(tmp_path, report):
    path = write_report(report, tmp_path / "new" / "place")
    assert path == tmp_path / "new" / "place" / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_half_a_surrogate_pair_is_no_obstacle(tmp_path, report):
    config = {**report.config, "labels": ["a \ud800"]}
    path = write_report(dataclasses.replace(report, config=config, model="m \ud800"), tmp_path)
    assert "<h1>m ?</h1>" in path.read_text(encoding="utf-8")


def test_places_that_cannot_be(tmp_path):
    model, file = tmp_path / "model", tmp_path / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"--report expects a folder other than the model's own, got '.*model'"):
        check_report(tmp_path / "x" / ".." / "model", model)
    for place in (file, file / "below"):
        with pytest.raises(ConfigError, match=r"--report expects a folder that can be written, got '.*file.*'"):
            check_report(place, model)
    check_report(tmp_path / "new", model)
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_without_the_extra_the_line_that_installs_it_is_said(tmp_path, monkeypatch, module):
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"--report needs the package '{module}.*textcnn\[report\]"):
        check_report(tmp_path, tmp_path / "model")
