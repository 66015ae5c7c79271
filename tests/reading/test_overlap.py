"""The same text twice."""

from hypothesis import given
from hypothesis import strategies as st

from textcnn.reading.statistics import count_conflicts, count_shared, fingerprints

texts = st.text("aAkK\u212aßSs \n\x1c\xa0é", max_size=4)
rows = st.lists(st.tuples(texts, st.lists(st.sampled_from("xy"), max_size=2, unique=True).map(tuple)), max_size=12)


def plain(text):
    return " ".join(text.split()).casefold()


@given(rows=rows)
def test_conflicts_are_texts_with_several_sets_of_labels(rows):
    sets = {}
    for text, labels in rows:
        sets.setdefault(plain(text), set()).add(frozenset(labels))
    found = count_conflicts(fingerprints(text for text, _ in rows), [labels for _, labels in rows])
    assert found == sum(len(each) > 1 for each in sets.values())


@given(train=st.lists(texts, max_size=8), test=st.lists(texts, max_size=8))
def test_shared_texts_are_counted_in_the_other_part(train, test):
    assert count_shared(fingerprints(train), fingerprints(test)) == sum(
        plain(text) in set(map(plain, train)) for text in test
    )


def test_case_and_blanks_do_not_part_texts_but_words_do():
    others = ["a good film", "A GOOD FILM ", "a good films", "agood film"]
    assert count_shared(fingerprints(["A  good\nfilm"]), fingerprints(others)) == 2
    assert count_conflicts(fingerprints(["Spam!", "spam! ", "ham"]), [("a",), ("b",), ("a",)]) == 1
    assert count_conflicts(fingerprints(["a", "a"]), [("x", "y"), ("y", "x")]) == 0
