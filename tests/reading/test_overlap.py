"""The same text twice."""

from hypothesis import given
from hypothesis import strategies as st

from textcnn.reading.statistics import conflicting_rows, count_shared, fingerprints, repeated_rows

texts = st.text("aAkK\u212aßSs \n\x1c\xa0é", max_size=4)
rows = st.lists(st.tuples(texts, st.lists(st.sampled_from("xy"), max_size=2, unique=True).map(tuple)), max_size=12)


def plain(text):
    return " ".join(text.split()).casefold()


@given(rows=rows)
def test_conflicts_are_texts_with_several_sets_of_labels(rows):
    sets = {}
    for text, labels in rows:
        sets.setdefault(plain(text), set()).add(frozenset(labels))
    texts = [plain(text) for text, _ in rows]
    found = conflicting_rows(fingerprints(text for text, _ in rows), [labels for _, labels in rows])
    assert found.tolist() == sorted(texts.index(text) for text, each in sets.items() if len(each) > 1)


@given(rows=rows)
def test_rows_without_labels_contradict_none(rows):
    texts, labels = fingerprints(text for text, _ in rows), [labels or None for _, labels in rows]
    labelled = [row for row, own in enumerate(labels) if own]
    found, expected = (
        conflicting_rows(texts, labels),
        conflicting_rows(texts[labelled], [labels[row] for row in labelled]),
    )
    assert set(texts[found].tolist()) == set(texts[labelled][expected].tolist())


@given(rows=st.lists(texts, max_size=8))
def test_repeated_rows_have_the_text_of_an_earlier_one(rows):
    known = list(map(plain, rows))
    expected = [row for row, text in enumerate(known) if text in known[:row]]
    assert repeated_rows(fingerprints(rows)).tolist() == expected


@given(train=st.lists(texts, max_size=8), test=st.lists(texts, max_size=8))
def test_shared_texts_are_counted_in_the_other_part(train, test):
    assert count_shared(fingerprints(train), fingerprints(test)) == sum(
        plain(text) in set(map(plain, train)) for text in test
    )


def test_case_and_blanks_do_not_part_texts_but_words_do():
    others = ["a good film", "A GOOD FILM ", "a good films", "agood film"]
    assert count_shared(fingerprints(["A  good\nfilm"]), fingerprints(others)) == 2
    assert conflicting_rows(fingerprints(["Spam!", "spam! ", "ham"]), [("a",), ("b",), ("a",)]).tolist() == [0]
    assert not len(conflicting_rows(fingerprints(["a", "a"]), [("x", "y"), ("y", "x")]))
