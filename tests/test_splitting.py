import csv

from hypothesis import given
from hypothesis import strategies as st

from textcnn.splitting import Plan, fingerprint, split_and_write, split_indices

rows = st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=2)), max_size=40)


@given(rows=rows, fraction=st.sampled_from([0.0, 0.2, 0.5]), seed=st.integers(0, 3))
def test_a_split_loses_no_row_and_parts_no_copies(rows, fraction, seed):
    labels, keys = [label for label, _ in rows], [key for _, key in rows]
    train, test = split_indices(labels, keys, fraction, seed)
    assert sorted(train + test) == list(range(len(rows)))
    assert not {rows[i] for i in train} & {rows[i] for i in test}
    for label in "ab":
        share = round(fraction * labels.count(label))
        assert sum(labels[i] == label for i in test) <= share
        if len({key for each, key in rows if each == label}) == labels.count(label):
            assert sum(labels[i] == label for i in test) == share


@given(rows=rows, seed=st.integers(0, 3), order=st.randoms(use_true_random=False))
def test_a_split_depends_on_content_and_seed_not_on_order(rows, seed, order):
    shuffled = order.sample(rows, len(rows))
    first, second = (
        [
            [each[i] for i in part]
            for part in split_indices([label for label, _ in each], [k for _, k in each], 0.3, seed)
        ]
        for each in (rows, shuffled)
    )
    assert [sorted(part) for part in first] == [sorted(part) for part in second]


def test_another_seed_gives_another_split():
    keys = [bytes([i]) for i in range(100)]
    assert split_indices(["a"] * 100, keys, 0.2, 0)[1] != split_indices(["a"] * 100, keys, 0.2, 1)[1]


def test_fingerprints_ignore_case_and_blanks_only():
    assert fingerprint(" Good\n FILM ") == fingerprint("good film")
    assert fingerprint("good film") != fingerprint("goodfilm")
    assert fingerprint("\ud800") != fingerprint("")


def test_files_hold_line_ends_and_quotes(tmp_path):
    rows = [("one\r\ntwo", "a"), ('say "no"', "b"), ("", "a")]
    counts = split_and_write(tmp_path, rows, Plan("x", ("text", "label"), (), 0.5))
    assert counts == {"train": 2, "test": 1}
    read = []
    for split in counts:
        with (tmp_path / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            header, *body = csv.reader(file)
        assert header == ["text", "label"]
        read += map(tuple, body)
    assert sorted(read) == sorted(rows)
