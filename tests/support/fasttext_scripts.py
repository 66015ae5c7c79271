"""Programs for fastText that run with either package, and data sets as files of ``__label__`` lines."""

import csv
import gzip
import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec

from textcnn.benchmark.baselines import joined_words

HAS_FASTTEXT = "TEXTCNN_PEERS_PYTHON" in os.environ or find_spec("fasttext") is not None
THEIRS, OURS = "import fasttext", "import textcnn.compat.fasttext as fasttext"
# Train, test and predict as fastText's tutorial does; what comes out is printed as JSON.
TUTORIAL = """
import json, sys
train, valid, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

model = fasttext.train_supervised(input=train, **settings)
model.save_model("model.bin")
model = fasttext.load_model("model.bin")
said = {"test": model.test(valid), "test_all": model.test(valid, k=-1, threshold=0.5)}

lines = [line.strip() for line in open(valid, encoding="utf-8")]
labels, values = model.predict(lines[0], k=2)
said["one"] = [list(labels), values.tolist(), type(labels).__name__, str(values.dtype)]
labels, values = model.predict(lines[:3], k=-1)
said["many"] = [labels, [row.tolist() for row in values], type(values).__name__, str(values[0].dtype)]
said["labels"], counts = model.get_labels(include_freq=True)
said["counts"] = counts.tolist()
said["test_label"] = sorted(model.test_label(valid))
said["vector"] = [str(model.get_word_vector("film").dtype), model.get_sentence_vector("a film").ndim]
print("said", json.dumps(said))
"""


def run_script(script, imported, folder, *arguments):
    """What a script prints in its line ``said``, in the interpreter that has the package it imports."""
    python = os.environ.get("TEXTCNN_PEERS_PYTHON", sys.executable) if imported == THEIRS else sys.executable
    (folder / "script.py").write_text(f"{imported}\n{script}", encoding="utf-8")
    done = subprocess.run(
        [python, "script.py", *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=3600
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("said "))
    return json.loads(line.removeprefix("said "))


def write_lines(path, rows):
    """Write ``(labels, text)`` as fastText's tutorials do: words in lower case, parted from punctuation."""
    with path.open("w", encoding="utf-8") as file:
        for (labels, _), words in zip(rows, joined_words(text for _, text in rows), strict=True):
            marks = " ".join("__label__" + "_".join(label.split()) for label in labels)
            file.write(f"{marks} {words}\n")
    return path


def data_set(folder, name):
    """The rows ``(labels, text)`` to train on, in mixed order, and to test on."""
    if (folder / name / "all.csv.gz").exists():
        rows = _rows(folder / name / "all.csv.gz")
        random.Random(1).shuffle(rows)
        return rows[len(rows) // 10 :], rows[: len(rows) // 10]
    train, test = (_rows(folder / name / f"{part}.csv.gz") for part in ("train", "test"))
    random.Random(0).shuffle(train)  # fastText takes rows as they come, and learns little from sorted labels
    return train, test


def _rows(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [(row["label"].split("|"), row["text"]) for row in csv.DictReader(file)]
