"""Texts and ids in files: the same as in memory, with less of it."""

import subprocess
import sys
import tempfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textcnn
from textcnn.config import DataConfig, ModelConfig, TextConfig
from textcnn.errors import ConfigError, DataError
from textcnn.reading import stored
from textcnn.reading import stored as corpus
from textcnn.reading.rows import read_examples
from textcnn.reading.stored import ArrayWriter, StoredTexts, TextWriter, encode_corpus, memory_bound
from textcnn.tokenization.lexicon import build_lexicon
from textcnn.tokenization.ngrams import WideFeatures
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.ragged import Ragged
from textcnn.tokenization.tokenizer import Tokenizer

WORDS = st.sampled_from(["good", "bad", "film", "Film", "naïve", "映画", "un-seen", "\x00", ""])
TEXTS = st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=1, max_size=30)


@settings(deadline=None)  # the first example imports datasets
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=40),
    bound=st.integers(-1, 200),
)
def test_texts_come_back_as_they_went_in(texts, bound):
    writer = TextWriter(bound)
    for text in texts:
        writer.append(text)
    found = writer.finish()
    assert isinstance(found, StoredTexts) == (sum(map(len, texts)) > bound)
    assert list(found) == texts
    assert len(found) == len(texts)
    assert list(found[3:9]) == texts[3:9]
    assert [found[i] for i in range(len(texts))] == texts


def test_texts_spill_in_blocks_and_rows_are_selected_without_copies(monkeypatch):
    monkeypatch.setattr(stored, "_BLOCK", 7)
    writer = TextWriter(bound=50)
    texts = [f"text {i}" for i in range(100)]
    for text in texts:
        writer.append(text)
    found = writer.finish()
    rows = np.array([3, 50, 99, 0])
    assert list(found) == texts
    assert list(found.select(rows)) == [texts[i] for i in rows]
    assert list(found.select(rows).select(np.array([2]))) == [texts[99]]


@given(st.lists(st.lists(st.integers(-5, 5), max_size=5), max_size=5))
def test_arrays_come_back_as_they_went_in(pieces):
    writer = ArrayWriter(np.int32)
    for piece in pieces:
        writer.append(np.array(piece, np.int32))
    found = writer.finish()
    assert found.tolist() == [number for piece in pieces for number in piece]
    assert found.dtype == np.int32
    found[:] = 0  # may be written to


@settings(deadline=None)
@given(texts=TEXTS, more=TEXTS, frequency=st.integers(1, 3))
def test_a_stored_corpus_is_encoded_as_one_in_memory(texts, more, frequency):
    """Also the temporary ids of unseen words, though each part of the corpus is encoded without the others."""
    tokenizer = Tokenizer.train(texts, TextConfig(min_frequency=frequency))
    lexicon = build_lexicon(tokenizer, ModelConfig(subwords=True))
    pipeline = TextPipeline(tokenizer, None, lexicon)
    pipeline = replace(pipeline, wide=WideFeatures.fit(pipeline.encode(texts), len(tokenizer)))
    expected = pipeline.encode(more)
    writer = TextWriter(bound=-1)
    for text in more:
        writer.append(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "_PART", 3)
        found = encode_corpus(pipeline, writer.finish())
    for name in ("ids", "offsets"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.unseen.names == expected.unseen.names
    np.testing.assert_array_equal(found.unseen.bags.ids, expected.unseen.bags.ids)
    np.testing.assert_array_equal(found.unseen.bags.offsets, expected.unseen.bags.offsets)
    for name in ("rows", "weights", "offsets"):
        np.testing.assert_array_equal(getattr(found.wide, name), getattr(expected.wide, name))


@given(st.lists(st.lists(st.integers(0, 9), max_size=9), max_size=20), st.integers(1, 30))
def test_blocks_are_the_same_texts(rows, num_tokens):
    ragged = Ragged.from_lists(rows)
    parts = list(ragged.blocks(num_tokens))
    np.testing.assert_array_equal(Ragged.concatenate(parts).ids, ragged.ids)
    np.testing.assert_array_equal(Ragged.concatenate(parts).offsets, ragged.offsets)


@pytest.mark.parametrize("multi_label", [False, True])
def test_training_from_disk_gives_the_weights_of_training_from_memory(multi_label):
    rows = [(f"a {word} film {i % 5}", label) for i in range(20) for word, label in (("good", "y"), ("bad", "n"))]
    if multi_label:
        rows = [(text, [label, "film"]) for text, label in rows]
    rows.append(("no label", None))
    options = {"epochs": 2, "num_filters": 4, "embedding_dim": 8, "min_frequency": 3, "dev_fraction": 0.2}
    states = []
    for storage in ("memory", "disk"):
        predictor = textcnn.train(rows, storage=storage, **options)
        states.append({name: value.numpy() for name, value in predictor.artifact.model.state_dict().items()})
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name], err_msg=name)


def test_what_cannot_be_written_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"cannot keep the texts in '.*gone'.*TMPDIR"):
        read_examples([("a", "x"), ("b", "y")], DataConfig(storage="disk"))


def test_storage_is_one_of_three():
    with pytest.raises(ConfigError, match="storage must be auto, memory, disk, got 'tape'"):
        textcnn.train([("a", "x"), ("b", "y")], storage="tape")
    assert memory_bound("disk") < 0 < memory_bound("auto") < memory_bound("memory")


CORPUS_TRAINING = """
import resource, sys
import textcnn
settings = dict(architecture="bag", epochs=1, embedding_dim=4, subwords=False, wide=False, batch_size=512, threads=1)
textcnn.train([("good film", "y"), ("bad film", "n")], storage="disk", **settings)
held = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (held + (int(sys.argv[3]) << 20),) * 2)
textcnn.train(sys.argv[1], storage=sys.argv[2], **settings)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the data of a process")
def test_a_corpus_larger_than_the_memory_trains(tmp_path):
    """With room for a part of its texts only, training from memory fails, and training from disk does not."""
    path = tmp_path / "train.csv"
    with path.open("w") as file:
        file.write("text,label\n")
        for i in range(8_000):
            file.write(f"{'what a good old film it was ' * 100},{'yn'[i % 2]}\n")
    run = [sys.executable, "-c", CORPUS_TRAINING, str(path)]
    from_memory = subprocess.run([*run, "memory", "60"], capture_output=True, text=True)
    from_disk = subprocess.run([*run, "disk", "60"], capture_output=True, text=True)
    assert from_memory.returncode != 0
    assert "memory" in from_memory.stderr.lower()
    assert from_disk.returncode == 0, from_disk.stderr
