"""Two ranks beside one process: real trainings, and what is said of them."""

import pytest
from checkpoint_files import write_rows

from textcnn.benchmark import ranks


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    rows = write_rows(tmp_path_factory.mktemp("rows"), 60)
    settings = ["embedding_dim=4", "num_filters=2", "epochs=1"]
    return ranks.run_ranks(rows, rows, seeds=[1], settings=settings, batch_size=16)


def test_every_contestant_has_trained(document):
    means = {entry["name"]: entry for entry in document["means"]}
    assert list(means) == list(ranks.CONTESTANTS)
    assert means[ranks.REFERENCE]["times_as_fast"] == 1.0
    for name, entry in means.items():
        assert 0 <= entry["accuracy"] <= 1
        assert entry["seconds"] > 0
        assert ("rows_bytes_a_step" in entry) == (name == ranks.RANKS)


def test_the_parts_are_the_whole(document):
    parts = dict(document["explained"])
    total = parts.pop("total")
    assert sum(parts.values()) == pytest.approx(total)
    assert total == next(run["seconds"] for run in document["runs"] if run["name"] == ranks.RANKS)
    table = ranks.to_markdown(document)
    assert "16 rows a step" in table
    for name in ranks.CONTESTANTS:
        assert f"| {name} |" in table
    assert f"Of the {total:.1f} s of two ranks" in table


def test_known_seconds_are_told_apart():
    runs = [
        {"name": ranks.REFERENCE, "seconds": 50.0},
        {"name": ranks.HALVES, "seconds": 80.0},
        {"name": ranks.RANKS, "seconds": 60.0, "exchange": {"seconds": 16.0}},
    ]
    expected = {"half": 25.0, "smaller_batches": 15.0, "exchange": 16.0, "rest": 4.0, "total": 60.0}
    assert ranks.explained(runs) == expected
