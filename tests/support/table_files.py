"""Tables as the bytes of files."""

import csv
import io
import json

import pyarrow
from pyarrow import parquet


def csv_bytes(rows, **how):
    file = io.StringIO(newline="")
    csv.writer(file, **how).writerows(rows)
    return file.getvalue().encode()


def parquet_bytes(columns):
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def jsonl_bytes(texts, labels):
    pairs = zip(texts, labels, strict=True)
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in pairs).encode()
