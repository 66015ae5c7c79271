"""The short way for one text: the bits of the long one, whatever has been met, forgotten or is asked at once."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_layer_models import ASKED, OPTIONS, make

from textcnn.core import plain
from textcnn.core.one_text_numpy import MOST_TOKENS
from textcnn.runtime.lookup import LookupModel

PIECES = ["a", "good", "bad", "film", "unseen", "films", "!", "a good", "漢", "über", "\x1c", "\x85", "\ud800", "\0"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join) | st.text(max_size=8)


pytestmark = pytest.mark.usefixtures("core")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Every option's model, saved once."""
    place = tmp_path_factory.mktemp("models")
    return {name: make(**options).save(place / name.replace(" ", "-")) for name, options in OPTIONS.items()}


loaded = lru_cache(lambda folder, precision, kernels: LookupModel.load(folder, precision=precision))


def plainly(model, row):
    """The answer by numpy, the long way: as of a batch."""
    with plain():
        thresholds = model.thresholds()
        return model.decided(model.measure_encoded(model.inputs.encode([row]), thresholds), thresholds)


def same(found, expected):
    """Whether two answers to one text are the same in everything, to the bit."""
    for fact in ("probabilities", "empty", "cut", "num_tokens", "num_unknown", "certified"):
        np.testing.assert_array_equal(getattr(found, fact), getattr(expected, fact), err_msg=fact)
    return found.labels == expected.labels


def named(answers, labels):
    """What `predict` makes of answers."""
    return answers.labels if labels.multi_label else [names[0] for names in answers.labels]


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", OPTIONS)
@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(TEXTS, max_size=4))
def test_every_fact_is_that_of_the_long_way(folders, name, precision, rows):
    slow, fast = (loaded(folders[name], precision, kernels) for kernels in ("numpy", "core"))
    for row in [*rows, *rows, *ASKED[:2], *ASKED[:2]]:  # the second time by memory
        expected = plainly(slow, row)
        assert same(fast.answer([row]), expected)
        assert fast.predict([row]) == named(expected, slow.labels)
        with plain():  # the definition in NumPy
            assert same(slow.answer([row]), expected)
            assert slow.predict([row]) == named(expected, slow.labels)


@pytest.mark.parametrize("how", [nullcontext, plain])
def test_words_met_before_take_the_short_way(folders, how):
    with how():
        model = LookupModel.load(folders["default"])
        for row in ("a good film", "a good unseen film"):
            model.predict([row])
            assert model.one_text()(row) is not None
        assert model.one_text()("film unseen good") is not None
        assert model.one_text()("another unseen film") is None


def test_a_cache_of_the_core_and_one_of_numpy_are_not_mixed_up(folders):
    with plain():
        model = LookupModel.load(folders["default"])
        first = model.predict(["a good film"])
        assert model.one_text()("a good film") is not None
    model.inputs.chunk_memory._clear()  # the next table of chunks is the core's
    assert model.predict(["a good film"]) == model.predict(["a good film"]) == first
    assert model.one_text()("a good film") is None


def test_the_label_alone_is_given_where_it_leads_by_enough(folders):
    model = LookupModel.load(folders["default"])
    model.predict(["a good film"])
    one, logits = model.one_text(), model.answer(["a good film"]).probabilities
    assert one.label("a good film", 0.0) == logits.argmax()
    assert one.label("a good film", 1e9) is None  # no margin is so large
    assert one.label("another film", 0.0) is None  # it has a word that was not met


def test_labels_of_one_logit_are_decided_by_their_probabilities(tmp_path):
    artifact = make(wide=False, pooling="max")
    with torch.no_grad():
        artifact.network.head.weight.zero_()
        artifact.network.head.bias.zero_()
    model = LookupModel.load(artifact.save(tmp_path / "model"))
    assert model.predict(["a good film"]) == model.predict(["a good film"]) == ["neg"]
    assert model.one_text().label("a good film", 0.0) is None


def test_a_text_longer_than_its_room_takes_the_long_way(folders):
    model, slow = (LookupModel.load(folders["pure"]) for _ in range(2))
    for row in ("good " * MOST_TOKENS, "good " * MOST_TOKENS + "film", "film" * 3000):
        model.predict([row])
        assert same(model.answer([row]), plainly(slow, row))
        assert (model.one_text()(row) is None) == (row.count(" ") == MOST_TOKENS and row.endswith("film"))


def test_rows_and_chunks_that_were_forgotten_are_learned_again(folders):
    free = LookupModel.load(folders["default"])
    bytes_ = 4 * free.cache.num_bytes
    small = LookupModel.load(folders["default"], cache_bytes=bytes_)
    rows = [f"film new{i % 9} word{i % 5} good" for i in range(60)]
    for row in rows:
        assert same(small.answer([row]), plainly(free, row))
    memory = small.inputs.chunk_memory
    memory._bounds = 2, 10
    for row in rows:
        assert same(small.answer([row]), plainly(free, row))
    assert len(memory) < 8


def test_many_threads_may_ask_at_once(folders):
    model = LookupModel.load(folders["default"], cache_bytes=20_000)
    rows = [f"film{i % 7} new{i % 11} good bad" for i in range(300)]
    expected = LookupModel.load(folders["default"]).predict_proba(rows)
    with ThreadPoolExecutor(6) as callers:
        found = list(callers.map(lambda row: model.predict_proba([row]), rows))
    assert (np.concatenate(found) == expected).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_answers_too(folders):
    code = (
        "import os, numpy as np\n"
        "os.environ['TOKENIZERS_PARALLELISM'] = 'false'\n"
        "from textcnn.runtime.lookup import LookupModel\n"
        f"m = LookupModel.load({str(folders['default'])!r})\n"
        "expected = [m.predict_proba([row]) for row in ('a good film', 'unseen', 'a good film')]\n"
        "m.inputs.chunk_memory.lock.acquire()\n"  # as if another thread were in there when the process forks
        "child = os.fork()\n"
        "if child == 0:\n"
        "    again = [m.predict_proba([row]) for row in ('a good film', 'unseen', 'a good film')]\n"
        "    os._exit(0 if np.array_equal(again, expected) else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "0"
