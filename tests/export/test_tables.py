"""Tables: a real browser gives the logits of the look-up runtime, to the bit, for every option and any text."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import skip_without
from one_layer_models import ASKED, OPTIONS, TRAIN, make

import textcnn
from textcnn.config import TextConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.export import tables as tables_module
from textcnn.export.characters import MOVES, characters_of
from textcnn.export.parts import with_storage, without_ngrams
from textcnn.export.tables import READER, tables_of, write_tables
from textcnn.inference.predictor import Predictor
from textcnn.text.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "textcnn" / "export" / READER
HARD = [
    "ΑΣ ὈΔΥΣΣΕΎΣ İstanbul ẞ ﬁ Ǆ",  # lower case: final sigma, two characters, no lower case
    "don't 'tis rock'n'roll'x a' 'b ''c d’e",
    "e\u0301 q\u0323\u0307 q\u0307\u0323 \u0344 \u212b \u1100\u1161\u11a8 각\u11a8 \u09c7\u09be",  # normal forms
    "a\u200db \ufeffgood\u00a0film\u3000bad\u2028x\x1cy\x85z\x00!",  # blanks and what looks like them
    "漢字カナーｰひらがな한국어 👩\u200d👧 🇩🇪 \U0001d400 \U0002f800 \U000e0100",
    "\ud800 \udfff\ud800 \ude00a",
    "[PAD] [UNK]",
    "\u200bgood aw\u00adful \ufeffdon’t donʼt i\u0307 ΟΔΟς \uff27\uff4f\uff4f\uff44",  # what is dropped and folded
    "می\u200c\u200cخواهم\u200c \u200cسن അവന്\u200d ก\u200bข\u200b 🏴\U000e0067\U000e007f x\U000e0067",  # and kept
    "wörter" * 400,  # more n-grams than a token may have
]
TEXTS = [*ASKED, *HARD]
RUN = """
import { readFileSync } from "node:fs";
import { Model } from "READER";
const model = new Model(new Uint8Array(readFileSync(process.argv[2])).buffer);
for (const text of JSON.parse(readFileSync(0, "utf8"))) {
  console.log(JSON.stringify([model.words(text), [...model.logits(text).logits], model.classify(text)]));
}
"""


def assert_answers(predictor, texts, found):
    """What the reader says of texts is what the look-up runtime says."""
    lookup = predictor.lookup()
    words, logits, answers = zip(*found, strict=True)
    assert list(words) == [lookup.inputs.tokenizer.words(text) for text in texts]
    np.testing.assert_array_equal(np.array(logits), lookup.logits(lookup.inputs.encode(texts)))
    expected = lookup.answer(texts)
    for answer, names, row in zip(answers, expected.labels, expected.probabilities, strict=True):
        assert [entry["label"] for entry in answer["labels"]] == list(names)
        assert [entry["label"] for entry in answer["all"]] == list(lookup.labels.names)
        np.testing.assert_allclose([entry["probability"] for entry in answer["all"]], row, atol=1e-12)
    assert [answer["empty"] for answer in answers] == expected.empty.tolist()
    assert [answer["cut"] for answer in answers] == expected.cut.tolist()


@pytest.mark.parametrize("name", ["of int8", *OPTIONS])
def test_every_option_in_node(name, tmp_path):
    skip_without(shutil.which("node") is not None, "node")
    artifact = make(**OPTIONS.get(name, {}))
    predictor = Predictor(with_storage(without_ngrams(artifact), "int8") if name == "of int8" else artifact)
    assert ("vectors.int8" in tables_of(predictor.lookup())[0]) == (name == "of int8")
    export = write_tables(predictor.lookup(), tmp_path / "model.safetensors")
    (tmp_path / "run.mjs").write_text(RUN.replace("READER", str(export.reader)))
    (tmp_path / "package.json").write_text('{"type": "module"}')
    command = ["node", str(tmp_path / "run.mjs"), str(export.path)]
    said = subprocess.run(command, input=json.dumps(TEXTS), capture_output=True, text=True, check=True).stdout
    assert_answers(predictor, TEXTS, [json.loads(line) for line in said.splitlines()])


@pytest.mark.parametrize("normalization", ["nfc", "nfkc", "as in version 4"])
def test_words_are_those_of_the_tokenizer_for_every_character_in_node(normalization, tmp_path, random):
    """Next to letters, blanks, and characters that move or are dropped, in any mixture."""
    skip_without(shutil.which("node") is not None, "node")
    artifact = make(**({} if normalization.startswith("as") else {"normalization": normalization}))
    if normalization.startswith("as"):
        document = json.loads(artifact.inputs.tokenizer.to_json())
        document["normalizer"]["normalizers"] = [{"type": "NFC"}, {"type": "Lowercase"}]
        object.__setattr__(artifact.inputs, "tokenizer", Tokenizer.from_json(json.dumps(document)))
    tokenizer = artifact.inputs.tokenizer
    export = write_tables(artifact.lookup(), tmp_path / "model.safetensors")
    points = [
        chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF and not 0x40000 <= point < 0xE0000
    ]
    texts = ["a".join(points[start : start + 4096]) for start in range(0, len(points), 4096)]
    table = characters_of(tokenizer)
    runs = zip(table.starts.tolist(), table.starts[1:].tolist(), table.kinds.tolist(), strict=False)
    moving = [chr(point) for start, end, kind in runs if kind & MOVES for point in range(start, end)]
    hard = [*moving, *"'’aم \n\u200b\u200c\u200d\u00ad", *map(chr, range(0x0300, 0x0370)), *table.lower]
    texts += ["".join(random.choice(hard, 60)) for _ in range(500)]
    script = RUN.replace("READER", str(export.reader)).replace(
        "[model.words(text), [...model.logits(text).logits], model.classify(text)]", "model.words(text)"
    )
    (tmp_path / "run.mjs").write_text(script)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    command = ["node", str(tmp_path / "run.mjs"), str(export.path)]
    said = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True).stdout
    assert [json.loads(line) for line in said.splitlines()] == [tokenizer.words(text) for text in texts]


@pytest.fixture
def page(browser, tmp_path):
    """A page of a folder served at the loopback; nothing may complain, and nothing else may be asked for."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        said, asked = [], []
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        (tmp_path / "favicon.ico").touch()
        shutil.copy(ROOT / "docs" / "tables_example.html", tmp_path / "page.html")
        page.address = address + "page.html"
        yield page
        assert said == []
        assert all(url.startswith(address) for url in asked)
        page.close()
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def answers_in(page, texts):
    """A lone surrogate does not survive the way into the browser, so texts go there as numbers."""
    units = [list(np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2").tolist()) for text in texts]
    return page.evaluate(
        """async (rows) => {
            const { load } = await import("./textcnn.js");
            const model = await load("model.safetensors");
            return rows.map((units) => {
                const text = units.map((unit) => String.fromCharCode(unit)).join("");
                return [model.words(text), [...model.logits(text).logits], model.classify(text)];
            });
        }""",
        units,
    )


def test_a_page_without_a_server_behind_it_classifies_as_somebody_types(page, tmp_path):
    rows = [(f"a good film {n}", "pos") for n in range(12)] + [(f"a bad plot {n}", "neg") for n in range(12)]
    predictor = textcnn.train(rows, epochs=8, threads=1, embedding_dim=8, num_filters=4)
    write_tables(predictor.lookup(), tmp_path / "model.safetensors")
    page.goto(page.address)
    for text in ("a good film", "a bad plot", "unseen wörds", ""):
        page.get_by_label("Text").fill(text)
        row = predictor.predict_proba([text])[0]
        expected = f"{predictor.classes_[row.argmax()]} {100 * row.max():.1f} %"
        page.locator("#answer").get_by_text(expected).wait_for()
    assert_answers(predictor, TEXTS, answers_in(page, TEXTS))


def test_a_real_model_gives_the_same_logits_for_all_test_texts(page, tmp_path, data_folder):
    train = next((data_folder / "trec").glob("train.*"))
    test = next((data_folder / "trec").glob("test.*"))
    predictor = textcnn.train(train, epochs=1, threads=1)
    write_tables(predictor.lookup(), tmp_path / "model.safetensors")
    from textcnn.text.reading import read_examples

    texts = [*read_examples(test).texts, *TEXTS, "good " * 3000]
    page.goto(page.address)
    assert_answers(predictor, texts, answers_in(page, texts))


def test_words_are_those_of_the_tokenizer_for_every_character_and_any_mixture(page, tmp_path, random):
    predictor = Predictor(make())
    write_tables(predictor.lookup(), tmp_path / "model.safetensors")
    points = [chr(point) for point in range(0x40000) if not 0xD800 <= point <= 0xDFFF]
    texts = ["a".join(points[start : start + 4096]) for start in range(0, len(points), 4096)]
    table = characters_of(predictor.text_inputs().tokenizer)
    moving = [
        chr(point)
        for start, end, kind in zip(table.starts, table.starts[1:], table.kinds, strict=False)
        if kind & MOVES
        for point in range(start, end)
    ]
    hard = [*moving, *"'’a \n", *(chr(point) for point in range(0x0300, 0x0370)), *table.lower]
    texts += ["".join(random.choice(hard, 60)) for _ in range(500)]
    page.goto(page.address)
    found = page.evaluate(
        """async (texts) => {
            const { load } = await import("./textcnn.js");
            const model = await load("model.safetensors");
            return texts.map((text) => model.words(text));
        }""",
        texts,
    )
    tokenizer = predictor.text_inputs().tokenizer
    assert found == [tokenizer.words(text) for text in texts]


def test_all_that_normal_forms_touch_was_assigned_long_ago():
    # The stability of normal forms holds for assigned characters: every browser since 2021 knows those of Unicode 14.
    table = characters_of(Tokenizer.train(TRAIN, TextConfig()))
    for start, end, kind in zip(table.starts, table.starts[1:], table.kinds, strict=False):
        if kind & MOVES:
            assert all(unicodedata.category(chr(point)) != "Cn" for point in range(start, end))


def test_case_is_kept_where_the_tokenizer_keeps_it():
    assert characters_of(Tokenizer.train(TRAIN, TextConfig(lowercase=False))).lower == {}


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "char"])
def test_another_tokenizer_is_refused(kind):
    with pytest.raises(ConfigError, match=r"tokenizer that `--tokenizer word` makes, .* got another one \("):
        characters_of(Tokenizer.train(TRAIN, TextConfig(tokenizer=kind)))


@pytest.mark.parametrize("change", ["post", "added", "normalizer"])
def test_a_tokenizer_that_only_looks_like_it_is_refused(change):
    document = json.loads(Tokenizer.train(TRAIN, TextConfig()).to_json())
    if change == "post":
        document["post_processor"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
    elif change == "normalizer":
        document["normalizer"]["normalizers"].append({"type": "StripAccents"})
    else:
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        document["added_tokens"] = [{"id": 2, "content": "a good", **flags}]
    with pytest.raises(ConfigError, match="got another one"):
        characters_of(Tokenizer.from_json(json.dumps(document)))


def test_blinded_words_are_refused(tmp_path):
    artifact = make()
    lookup = artifact.lookup()
    object.__setattr__(lookup.inputs, "blinded", ("good",))
    with pytest.raises(ConfigError, match="blind to words, which their reader cannot hide"):
        write_tables(lookup, tmp_path / "model.safetensors")


def test_more_words_than_a_pair_of_ids_can_name_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(tables_module, "MOST_TYPES", 10)
    with pytest.raises(ConfigError, match="tables hold at most 10 words, the model has 20"):
        write_tables(make().lookup(), tmp_path / "model.safetensors")


def test_a_place_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=r"cannot write to '.*file/model.safetensors': "):
        write_tables(make().lookup(), tmp_path / "file" / "model.safetensors")


def test_the_reader_is_short_and_says_what_it_cannot_read(page, tmp_path):
    assert len(SOURCE.read_text().splitlines()) < 210
    shutil.copy(SOURCE, tmp_path / READER)
    make().save(tmp_path / "folder")
    shutil.copy(tmp_path / "folder" / "model.safetensors", tmp_path / "plain.safetensors")
    (tmp_path / "empty.html").write_text("<!doctype html><meta charset=utf-8>")
    page.goto(page.address.replace("page.html", "empty.html"))
    tell = """async (name) => {
        const { load } = await import("./textcnn.js");
        return load(name).then(() => "", (error) => error.message);
    }"""
    assert "tables_version 2, got undefined" in page.evaluate(tell, "plain.safetensors")
