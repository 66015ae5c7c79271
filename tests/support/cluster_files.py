"""Files of several formats with awkward texts, for tests of clusters, and the answers in a folder."""

import csv
import json

import pyarrow as pa
from pyarrow import parquet

from tools.robustness.faults.rows import texts

ROWS = 900  # of each file


def write_inputs(folder):
    """Files of four formats in a folder and one below it; each row has its own id."""
    (folder / "more").mkdir(parents=True)
    rows = list(texts(ROWS))
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *((f"a{n}", text) for n, text in enumerate(rows))])
    for number in range(4):
        lines = (json.dumps({"id": n, "text": text, "label": "?"}) for n, text in enumerate(rows))
        (folder / "more" / f"b{number}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    table = pa.table({"id": [f"c{n}" for n in range(ROWS)], "text": rows, "score": [n / 7 for n in range(ROWS)]})
    parquet.write_table(table, folder / "more" / "c.parquet", row_group_size=100)
    (folder / "d.txt").write_text("a good film\n\na bad film\n", encoding="utf-8")
    (folder / "_SUCCESS").write_text("")
    return sorted(p for p in folder.rglob("*.*") if p.is_file())


def answers(folder):
    """The files of answers in a folder, by name."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if "_textcnn" not in p.parts}
