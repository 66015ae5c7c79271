"""Tables in node, in a real browser and in a worker: the logits of the look-up runtime, to the bit, for any text."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from one_layer_models import GRADED, OPTIONS, TRAIN, make
from skipping import skip_without
from tables_reader import GOLDEN, TEXTS, fixed_lookup, hash_of

import textcnn
from textcnn.config import TextConfig
from textcnn.core.build import SOURCES, WASM, WASM_TARGET
from textcnn.core.word_form import FORMS, WordForm
from textcnn.errors import ArtifactError, ConfigError
from textcnn.export import tables as tables_module
from textcnn.export.compress import with_storage, without_ngrams
from textcnn.export.tables import LOADER, reader_bytes, sections_of, word_form_of, write_tables
from textcnn.labels import Target
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
RUN = """
import { readFileSync } from "node:fs";
import { Model } from "./textcnn.js";
const model = await Model.load(readFileSync("model.tables"));
for (const text of JSON.parse(readFileSync(0, "utf8"))) console.log(JSON.stringify(ASKED));
"""
ALL, WORDS = "[model.words(text), [...model.logits(text)], model.classify(text)]", "model.words(text)"
POINTS = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000 and not 0x40000 <= point < 0xE0000]


@pytest.fixture(scope="module", autouse=True)
def reader():
    """The reader as WebAssembly, which these tests are of."""
    try:
        return reader_bytes()
    except ArtifactError as err:
        skip_without(False, f"{WASM} (`make wasm`): {err}")


def in_node(folder, texts, asked=ALL):
    """What the reader in a folder says of texts."""
    skip_without(shutil.which("node") is not None, "node")
    (folder / "run.mjs").write_text(RUN.replace("ASKED", asked))
    (folder / "package.json").write_text('{"type": "module"}')
    command = ["node", "run.mjs"]
    said = subprocess.run(command, cwd=folder, input=json.dumps(texts), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in said.stdout.splitlines()]


def assert_answers(lookup, texts, found):
    """What the reader says of texts is what the look-up runtime says."""
    words, logits, answers = zip(*found, strict=True)
    assert list(words) == [lookup.inputs.tokenizer.words(text) for text in texts]
    np.testing.assert_array_equal(np.array(logits), lookup.logits(lookup.inputs.encode(texts)))
    expected = lookup.answer(texts)
    for answer, names, row in zip(answers, expected.labels, expected.probabilities, strict=True):
        assert [entry["label"] for entry in answer["labels"]] == list(names)
        assert [entry["label"] for entry in answer["all"]] == list(lookup.labels.names)
        np.testing.assert_allclose([entry["probability"] for entry in answer["all"]], row, atol=1e-12)
        assert answer["probability"] == max(entry["probability"] for entry in answer["all"])
    assert [answer["empty"] for answer in answers] == expected.empty.tolist()
    assert [answer["cut"] for answer in answers] == expected.cut.tolist()


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["of int8", *OPTIONS])
def test_every_option_in_node(name, precision, tmp_path):
    artifact = make(**OPTIONS.get(name, {}))
    kept = with_storage(without_ngrams(artifact), "int8") if name == "of int8" else artifact
    kept.save(tmp_path / "folder")
    lookup = LookupModel.load(tmp_path / "folder", precision=precision)
    assert ("vectors.int8" in sections_of(lookup)) == (name == "of int8")
    write_tables(lookup, tmp_path / "model.tables")
    assert_answers(lookup, TEXTS, in_node(tmp_path, TEXTS))


def test_whole_logits_are_those_of_every_machine(tmp_path):
    write_tables(fixed_lookup(tmp_path / "folder"), tmp_path / "model.tables")
    assert hash_of(in_node(tmp_path, TEXTS, "[...model.logits(text)]")) == GOLDEN


def mixtures(random):
    """Every character beside letters, and those that move, combine or change, in any mixture."""
    texts = ["a".join(POINTS[start : start + 4096]) for start in range(0, len(POINTS), 4096)]
    moving = [c for c in POINTS if unicodedata.combining(c) or unicodedata.normalize("NFKD", c) != c or c.lower() != c]
    hard = [*moving, *"'’aم \n\u200b\u200c\u200d\u00ad", *map(chr, range(0x0300, 0x0370))]
    return texts + ["".join(random.choice(hard, 60)) for _ in range(500)]


def with_form(form):
    """A model whose tokenizer has this form."""
    artifact = make()
    document = form.document(artifact.inputs.tokenizer.vocabulary)
    object.__setattr__(artifact.inputs, "tokenizer", Tokenizer.from_json(json.dumps(document)))
    return artifact


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_words_are_those_of_the_tokenizer_for_every_character_in_node(form, tmp_path, random):
    artifact = with_form(form)
    write_tables(artifact.lookup(), tmp_path / "model.tables")
    texts = mixtures(random)
    assert in_node(tmp_path, texts, WORDS) == [artifact.inputs.tokenizer.words(text) for text in texts]


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


ANSWER = """async (rows) => {
    const { Model } = await import("./textcnn.js");
    const model = await Model.load("model.tables");
    return rows.map((units) => {
        const text = units.map((unit) => String.fromCharCode(unit)).join("");
        return ASKED;
    });
}"""


def units_of(texts):
    """A lone surrogate does not survive the way into the browser, so texts go there as numbers."""
    return [np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2").tolist() for text in texts]


def in_page(page, texts, asked=ALL):
    return page.evaluate(ANSWER.replace("ASKED", asked), units_of(texts))


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_page_without_a_server_behind_it_classifies_as_somebody_types(page, tmp_path, precision):
    rows = [(f"a good film {n}", "pos") for n in range(12)] + [(f"a bad plot {n}", "neg") for n in range(12)]
    textcnn.train(rows, epochs=8, threads=1, embedding_dim=8, num_filters=4).save(tmp_path / "folder")
    predictor = textcnn.load(tmp_path / "folder", precision=precision)
    write_tables(predictor.lookup(), tmp_path / "model.tables")
    page.goto(page.address)
    for text in ("a good film", "a bad plot", "unseen wörds", ""):
        page.get_by_label("Text").fill(text)
        row = predictor.predict_proba([text])[0]
        expected = f"{predictor.classes_[row.argmax()]} {100 * row.max():.1f} %"
        page.locator("#answer").get_by_text(expected).wait_for()
    assert_answers(predictor.lookup(), TEXTS, in_page(page, TEXTS))


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_worker_answers_in_the_same_way(page, tmp_path, precision):
    make().save(tmp_path / "folder")
    lookup = LookupModel.load(tmp_path / "folder", precision=precision)
    write_tables(lookup, tmp_path / "model.tables")
    answer = ANSWER.replace("ASKED", ALL)
    script = f"const answer = {answer};\nonmessage = async (asked) => postMessage(await answer(asked.data));\n"
    (tmp_path / "worker.js").write_text(script)
    page.goto(page.address)
    found = page.evaluate(
        """(rows) => new Promise((resolve, reject) => {
            const worker = new Worker("worker.js", { type: "module" });
            [worker.onmessage, worker.onerror] = [(said) => resolve(said.data), reject];
            worker.postMessage(rows);
        })""",
        units_of(TEXTS),
    )
    assert_answers(lookup, TEXTS, found)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_real_model_gives_the_same_logits_for_all_test_texts(page, tmp_path, data_folder, precision):
    train = next((data_folder / "trec").glob("train.*"))
    test = next((data_folder / "trec").glob("test.*"))
    textcnn.train(train, epochs=1, threads=1).save(tmp_path / "folder")
    lookup = LookupModel.load(tmp_path / "folder", precision=precision)
    write_tables(lookup, tmp_path / "model.tables")
    from textcnn.reading.rows import read_examples

    texts = [*read_examples(test).texts, *TEXTS, "good " * 3000]
    page.goto(page.address)
    assert_answers(lookup, texts, in_page(page, texts))


def test_words_are_those_of_the_tokenizer_for_every_character_in_a_page(page, tmp_path, random):
    artifact, texts = make(), mixtures(random)
    write_tables(artifact.lookup(), tmp_path / "model.tables")
    page.goto(page.address)
    found = in_page(page, texts, WORDS)
    assert found == [artifact.inputs.tokenizer.words(text) for text in texts]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "char"])
def test_another_tokenizer_is_refused(kind):
    name = {"bpe": "BPE", "wordpiece": "WordPiece", "char": "WordLevel"}[kind]
    with pytest.raises(ConfigError, match=rf"tokenizer that `--tokenizer word` makes, .* got another one \({name}, "):
        word_form_of(Tokenizer.train(TRAIN, TextConfig(tokenizer=kind)))


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
        word_form_of(Tokenizer.from_json(json.dumps(document)))


def test_blinded_words_are_refused(tmp_path):
    lookup = make().lookup()
    object.__setattr__(lookup.inputs, "blinded", ("good",))
    with pytest.raises(ConfigError, match="blind to words, which their reader cannot hide"):
        write_tables(lookup, tmp_path / "model.tables")


def test_a_word_with_a_line_end_is_refused(tmp_path):
    artifact = make()
    vocabulary = {
        f"{name}\n" if name == "good" else name: n for name, n in artifact.inputs.tokenizer.vocabulary.items()
    }
    tokenizer = Tokenizer.from_json(json.dumps(WordForm().document(vocabulary)))
    object.__setattr__(artifact.inputs, "tokenizer", tokenizer)
    with pytest.raises(ConfigError, match="a word of its vocabulary holds a line end"):
        write_tables(artifact.lookup(), tmp_path / "model.tables")


def test_a_place_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=r"cannot write to '.*file/model.tables': "):
        write_tables(make().lookup(), tmp_path / "file" / "model.tables")


@pytest.mark.parametrize(("content", "found"), [(None, "none"), (b"\0asm", "one of other sources")])
def test_a_reader_that_is_missing_or_old_is_named_with_what_to_do(monkeypatch, tmp_path, content, found):
    if content is not None:
        (tmp_path / WASM).write_bytes(content)
    monkeypatch.setattr(tables_module, "WASM_TARGET", tmp_path / WASM)
    with pytest.raises(
        ArtifactError, match=f"found {found}; `pip install ziglang`, then `python -m textcnn.core --wasm`"
    ):
        write_tables(make().lookup(), tmp_path / "model.tables")
    assert not (tmp_path / "model.tables").exists()


def test_the_reader_asks_for_nothing_and_is_small(reader):
    tables = re.findall(r"^static const u?int(\d+)_t \w+\[(\d+)\]", (SOURCES / "unicode_tables.h").read_text(), re.M)
    unicode_bytes = sum(int(bits) // 8 * int(count) for bits, count in tables)
    assert unicode_bytes > 100_000
    assert len(reader) - unicode_bytes < 100_000
    assert WASM_TARGET.stat().st_size == len(reader)
    assert len((WASM_TARGET.parent / LOADER).read_text().splitlines()) < 120
    skip_without(shutil.which("node") is not None, "node")
    script = (
        "const m = new WebAssembly.Module(fs.readFileSync(process.argv[1])); console.log(WebAssembly.Module.imports(m))"
    )
    said = subprocess.run(["node", "-e", script, str(WASM_TARGET)], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"


def test_a_page_is_told_what_is_no_tables_file(page, tmp_path):
    write_tables(make().lookup(), tmp_path / "model.tables")
    shutil.copy(tmp_path / "textcnn.js", tmp_path / "plain.tables")
    (tmp_path / "empty.html").write_text("<!doctype html><meta charset=utf-8>")
    page.goto(page.address.replace("page.html", "empty.html"))
    tell = """async (name) => {
        const { load } = await import("./textcnn.js");
        return load(name).then(() => "", (error) => error.message);
    }"""
    assert "expected a tables file, which begins with 'textcnn'" in page.evaluate(tell, "plain.tables")


def test_a_model_of_numbers_gives_scores_in_node(tmp_path):
    make(("price", "share"), targets=(Target(2e5, 1e5, 0.0, 1e6), Target(0.5, 0.1, 0.0, 1.0))).save(tmp_path / "model")
    lookup = LookupModel.load(tmp_path / "model")
    write_tables(lookup, tmp_path / "model.tables")
    found = in_node(tmp_path, TRAIN, "model.classify(text)")
    for answer, numbers in zip(found, lookup.predict(TRAIN), strict=True):
        assert answer == {
            "score": numbers[0],
            "scores": dict(zip(("price", "share"), numbers, strict=True)),
            "empty": False,
            "cut": False,
        }


def test_a_model_of_grades_gives_them_in_node_and_in_c(tmp_path):
    make(**GRADED).save(tmp_path / "model")
    lookup = LookupModel.load(tmp_path / "model")
    write_tables(lookup, tmp_path / "model.tables")
    found = in_node(tmp_path, TEXTS, "model.classify(text)")
    rows = zip(found, lookup.predict(TEXTS), lookup.predict_proba(TEXTS), strict=True)
    for answer, grade, probabilities in rows:
        assert list(answer) == ["label", "probability", "probabilities", "score", "scores", "empty", "cut"]
        assert answer["label"] == grade
        assert answer["probabilities"] == pytest.approx(dict(zip(lookup.classes_, probabilities.tolist(), strict=True)))
        assert answer["probability"] == max(answer["probabilities"].values())
        assert answer["score"] == answer["scores"]["score"]
