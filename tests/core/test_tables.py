"""The reader of tables in C: the logits of the look-up runtime to the bit, and no byte of a file is trusted."""

import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_layer_models import GRADED, OPTIONS, loaded_lookup
from tables_reader import GOLDEN, TEXTS, Tables, data_of, fixed_lookup, hash_of

from textcnn.export.tables import sections_of, tables_bytes
from textcnn.labels import Target

pytestmark = pytest.mark.usefixtures("core")
laws = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
PRECISIONS = ["float32", "int8"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Tables of models that have all sections between them."""
    place = tmp_path_factory.mktemp("models")
    kinds = [("default", "float32"), ("default", "int8"), ("two channels", "float32"), ("multi label", "int8")]
    return [data_of(loaded_lookup(place / f"{n}", kind, **OPTIONS[name])) for n, (name, kind) in enumerate(kinds)]


def assert_as(lookup, tables, texts=TEXTS):
    answers = [tables.classify(text) for text in texts]
    np.testing.assert_array_equal([found.logits for found in answers], lookup.logits(lookup.inputs.encode(texts)))
    expected = lookup.answer(texts)
    assert [found.given for found in answers] == [list(names) for names in expected.labels]
    np.testing.assert_allclose([found.probabilities for found in answers], expected.probabilities, atol=1e-12)
    assert [found.num_tokens == 0 for found in answers] == expected.empty.tolist()
    assert [found.num_seen < found.num_tokens for found in answers] == expected.cut.tolist()
    assert [tables.words(text) for text in texts] == [lookup.inputs.tokenizer.words(text) for text in texts]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", OPTIONS)
def test_answers_are_those_of_the_look_up_runtime(ways, tmp_path, name, precision):
    lookup = loaded_lookup(tmp_path, precision, **OPTIONS[name])
    for threads in ways():
        if threads == 1:
            tables = Tables(data_of(lookup))
            assert tables.labels == list(lookup.labels.names)
            assert_as(lookup, tables)
            assert_as(lookup, tables, TEXTS[::-1])  # rows that have been made, in another order


@pytest.mark.parametrize("precision", PRECISIONS)
def test_texts_of_more_words_than_there_are_rows(tmp_path, precision):
    lookup = loaded_lookup(tmp_path, precision)
    many = " ".join(f"wordless{n} film" for n in range(3000))
    assert_as(lookup, Tables(data_of(lookup)), ["a good film", many, "good", many[:20000], "good " * 900, *TEXTS])


def test_whole_logits_are_those_of_every_machine(tmp_path):
    lookup = fixed_lookup(tmp_path)
    assert hash_of([Tables(data_of(lookup)).classify(text).logits for text in TEXTS]) == GOLDEN
    assert hash_of(lookup.logits(lookup.inputs.encode(TEXTS))) == GOLDEN


def use(data):
    """Open bytes and classify by them; what they say does not matter, that nothing else happens does."""
    try:
        tables = Tables(data)
    except ValueError as err:
        assert str(err)  # noqa: PT017 - whether it is refused depends on what was damaged
        return
    for text in TEXTS:
        with contextlib.suppress(MemoryError):
            tables.classify(text)
        tables.words(text)


@pytest.mark.slow
@laws
@given(draw=st.data())
def test_damaged_files_are_refused_or_answer_without_harm(files, draw):
    data = bytearray(draw.draw(st.sampled_from(files)))
    # Half of the changes are in the first sections, where numbers are that sizes follow from.
    places = st.integers(0, len(data) - 1) | st.integers(0, 8191)
    for place, bits in draw.draw(st.lists(st.tuples(places, st.integers(1, 255)), min_size=1, max_size=8)):
        data[min(place, len(data) - 1)] ^= bits
    use(bytes(data))


@laws
@given(draw=st.data())
def test_cut_files_are_refused(files, draw):
    data = draw.draw(st.sampled_from(files))
    with pytest.raises(ValueError, match=r"expected (a tables file|[\d]+ bytes, found)"):
        Tables(data[: draw.draw(st.integers(0, len(data) - 1))])


@pytest.mark.slow
@laws
@given(draw=st.data())
def test_sections_of_other_numbers_are_refused_or_answer_without_harm(lookup_sections, draw):
    """Whole sections are replaced, so that each check is met, and not only the first."""
    sections = dict(draw.draw(st.sampled_from(lookup_sections)))
    for name in draw.draw(st.lists(st.sampled_from(sorted(sections)), min_size=1, max_size=2, unique=True)):
        array = sections[name]
        edges = [0, 1, -1, 2, 3, 7, 15, 16, 255, 2**20, 2**31 - 1]
        if array.dtype == np.int64:
            edges += [2**32, 2**40, 2**62, 2**63 - 1, -(2**63)]
        if array.dtype.kind == "f":
            edges += [np.inf, -np.inf, np.nan, 1e300, 1e-300]
        value = draw.draw(st.sampled_from(edges))
        changed = array.copy().reshape(-1)
        how = draw.draw(st.sampled_from(["one", "all", "shorter", "longer", "none"]))
        with np.errstate(all="ignore"):
            item = np.array(value).astype(array.dtype)
        if how == "one" and len(changed):
            changed[draw.draw(st.integers(0, len(changed) - 1))] = item
        elif how == "all":
            changed[:] = item
        elif how == "shorter":
            changed = changed[: len(changed) // 2]
        elif how == "longer":
            changed = np.append(changed, item)
        sections[name] = changed
        if how == "none":
            del sections[name]
    use(tables_bytes(sections))


@pytest.fixture(scope="module")
def lookup_sections(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    kinds = [("default", "float32"), ("default", "int8"), ("own filters", "int8"), ("two channels", "float32")]
    return [sections_of(loaded_lookup(place / f"{n}", kind, **OPTIONS[name])) for n, (name, kind) in enumerate(kinds)]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("activation", [4], "section 'activation': expected a number from 0 to 3, found 4"),
        ("form", [8], "section 'form': expected a number from 0 to 7, found 8"),
        ("bias", [], "section 'bias': expected a number for each label"),
        ("thresholds", [0.5], "section 'thresholds': expected 3 items, found 1"),
        ("temperature", [0.0], "section 'temperature': expected a number above 0"),
        ("temperature", [1], "section 'temperature': expected items of kind f8"),
        ("label_ends", [3, 2, 1], "section 'label_ends': expected ascending ends inside of the section 'labels'"),
        ("words", None, "section 'words': expected one in this tables file, found none"),
        ("unknown", [20], "section 'unknown': expected a number from 0 to 19, found 20"),
        ("sizes", [3, 4, 0], "section 'sizes': expected windows of one word or more, and fewer"),
        ("weight_scales", [1.0], "section 'weights': expected 112 items, found"),
        ("wide_keys", [-1, 2], "section 'wide_idf': expected 2 items, found"),
    ],
)
def test_what_is_wrong_is_said(lookup_sections, name, value, message):
    sections = dict(lookup_sections[0])
    if value is None:
        del sections[name]
    else:
        sections[name] = np.array(value, np.int64 if all(type(x) is int for x in value) else np.float64)
    with pytest.raises(ValueError, match=message):
        Tables(tables_bytes(sections))


def test_what_is_no_tables_file_is_named(files):
    with pytest.raises(
        ValueError, match="which begins with 'textcnn'; write one with `textcnn export --format tables`"
    ):
        Tables(b"PK\3\4" + bytes(100))
    with pytest.raises(ValueError, match="expected tables of version 4, found version 2; export the model again"):
        Tables(files[0][:8] + b"\2" + files[0][9:])


def test_numbers_are_those_of_the_look_up_runtime(tmp_path):
    targets = (Target(2e5, 1e5, 0.0, 1e6), Target(0.5, 1e-6, 0.0, 1.0))
    for precision in ("float32", "int8"):
        lookup = loaded_lookup(tmp_path / precision, precision, names=("price", "share"), targets=targets)
        tables = Tables(data_of(lookup))
        assert tables.are_numbers
        for text in TEXTS[:20]:
            answer = tables.classify(text)
            assert answer.probabilities == lookup.answer([text]).probabilities[0].tolist()
            assert answer.given == []


@pytest.mark.parametrize("precision", PRECISIONS)
def test_grades_are_those_of_the_look_up_runtime(tmp_path, precision):
    lookup = loaded_lookup(tmp_path, precision, **GRADED)
    tables = Tables(data_of(lookup))
    assert (tables.are_numbers, tables.grades) == (True, ["schlecht", "mäßig", "gut", "sehr gut"])
    expected = lookup.predict_proba(TEXTS)
    answers = [tables.classify(text) for text in TEXTS]
    np.testing.assert_allclose([answer.grades for answer in answers], expected, atol=1e-12)
    assert [answer.grade for answer in answers] == lookup.predict(TEXTS)
    assert len({answer.grade for answer in answers}) > 1
    assert Tables(data_of(loaded_lookup(tmp_path / "labels", precision))).classify("good").grades == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("grade_cuts", [2.0, 1.0, 3.0], "section 'grade_cuts': expected ascending numbers"),
        ("grade_cuts", [], "section 'grade_cuts': expected numbers between grades"),
        ("grade_cuts", [1.0, np.nan, 3.0], "section 'grade_cuts': expected ascending numbers"),
        ("grade_ends", [3, 2, 5, 6], "section 'grade_ends': expected ascending ends inside of the section 'grades'"),
        ("grade_ends", [1, 2], "section 'grade_ends': expected 4 items, found 2"),
        ("grade_slope", None, "section 'grade_slope': expected one in this tables file, found none"),
        ("target_stds", None, "section 'grade_cuts': expected the grades of one number"),
    ],
)
def test_what_is_wrong_of_grades_is_said(tmp_path, name, value, message):
    sections = dict(sections_of(loaded_lookup(tmp_path, **GRADED)))
    if value is None:
        del sections[name]
    else:
        sections[name] = np.array(value, sections[name].dtype)
    with pytest.raises(ValueError, match=message):
        Tables(tables_bytes(sections))
