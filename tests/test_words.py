"""Words of this project's own dialect: what is left of them may only become less."""

from tools import words

BOUND = 60  # room for places in space, such as columns beside each other in memory


def test_no_more_of_the_words_to_lose_than_the_bound():
    counts = words.counts_by_file()
    worst = sorted(counts.items(), key=lambda item: -item[1].total())[:10]
    assert sum(found.total() for found in counts.values()) <= BOUND, worst


def test_words_are_counted_over_line_ends_and_not_within_others(tmp_path, monkeypatch):
    monkeypatch.setattr(words, "ROOT", tmp_path)
    for place in ("textcnn", "cli"):
        (tmp_path / place).mkdir()
    (tmp_path / "README.md").write_text(
        "Besides, a threshold is told; what held-out and held\n  out rows say: held_out.\n"
    )
    (tmp_path / "textcnn" / "a.py").write_text("# An error of our\n# own hand, Held by a held_name; mends.\n")
    (tmp_path / "cli" / "notes.txt").write_text("anew")
    assert words.counts_by_file() == {
        "textcnn/a.py": {"of our own hand": 1, "held": 2, "mend": 1},
        "README.md": {"is told": 1},
    }
