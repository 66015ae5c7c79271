"""A filter of Parquet files by fastText, as its users write one; imports nothing of ours.

So another interpreter can run it, one that has fastText and pyarrow. ``IN OUT MODEL WORDS LABEL PROBABILITY`` reads the
documents of IN in batches, takes the words of the column ``text`` that the regular expression WORDS finds in lower
case, and writes the rows to OUT whose probability of LABEL is large enough. It prints the number of rows as JSON.
"""

from __future__ import annotations

import json
import re
import sys

import fasttext
import pyarrow
from pyarrow import parquet

ROWS = 512  # classified at once
PREFIX = "__label__"


def filter_file(source: str, target: str, model: str, words: str, label: str, least: str) -> dict[str, int]:
    """Filter a file; how many rows it has, and how many were kept."""
    pattern, loaded, wanted = re.compile(words), fasttext.load_model(model), PREFIX + label
    file, count, kept = parquet.ParquetFile(source), 0, 0
    with parquet.ParquetWriter(target, file.schema_arrow) as out:
        for batch in file.iter_batches(ROWS):
            texts = [" ".join(pattern.findall(text.lower())) for text in batch["text"].to_pylist()]
            answers, values = loaded.predict(texts, k=-1)
            chances = [dict(zip(*answer, strict=True)).get(wanted, 0.0) for answer in zip(answers, values, strict=True)]
            chosen = batch.filter(pyarrow.array([chance >= float(least) for chance in chances]))
            out.write_table(pyarrow.Table.from_batches([chosen]))
            count, kept = count + len(batch), kept + len(chosen)
    return {"rows": count, "kept": kept}


if __name__ == "__main__":
    print(json.dumps(filter_file(*sys.argv[1:])))  # the answer of this process
