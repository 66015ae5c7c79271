"""The parts of the benchmark of filtering, at tiny size."""

import csv
import gzip

from pyarrow import parquet

from benchmarks import filter_parts
from benchmarks.editions import checkout, first_edition
from benchmarks.train_parts import Plan


def test_documents_have_two_kilobytes_and_hold_the_texts(tmp_path):
    filter_parts.write_documents(["é" * 3000, "b" * 5000], tmp_path / "a.parquet", 12)
    texts = parquet.read_table(tmp_path / "a.parquet")["text"].to_pylist()
    assert len(texts) == 12
    assert {len(text.encode()) for text in texts} == {2048}
    assert texts[0] == "é" * 1024


def test_a_killed_filter_loses_nothing(tmp_path, monkeypatch):
    for name in ("trec", "imdb"):
        (tmp_path / name).mkdir()
        for split in ("train", "test"):
            with gzip.open(tmp_path / name / f"{split}.csv.gz", "wt", encoding="utf-8", newline="") as file:
                rows = [(f"a {word} film {n}", word) for n in range(300) for word in ("good", "bad")]
                csv.writer(file).writerows([("text", "label"), *rows])
    monkeypatch.setattr(filter_parts, "KILLS", 2)
    (tmp_path / "work").mkdir()
    plan = Plan(tmp_path, tmp_path / "work", checkout(), first_edition, repetitions=1, quick=True)
    part = filter_parts.killed(plan)
    assert [row.value for row in part.rows] == [0, 0, 0]
    assert "1,200 documents in 8 shards" in part.rows[0].note
