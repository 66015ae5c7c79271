"""`textcnn filter`: the kept documents as they were, the others counted, each with its reason."""

import gzip
import json
import random

import numpy as np
import pyarrow as pa
import pytest
from commands import invoke
from pyarrow import parquet

from textcnn.core import binding
from textcnn.errors import ConfigError, DataError
from textcnn.prediction.predictor import Predictor
from textcnn.reading.source import Source

WORDS = ["a", "good", "bad", "film", "really", "plot", "ü", "映画", "été", "x" * 30]


def texts(count, seed=0):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 12))) for _ in range(count)]


def lines_of(documents, **more):
    return [json.dumps({"id": n, "text": text, **more}, ensure_ascii=n % 2 == 0) for n, text in enumerate(documents)]


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def summary(folder):
    return json.loads((folder / "filter.json").read_text(encoding="utf-8"))


def rejected(folder, name):
    return [json.loads(line) for line in (folder / "rejected" / f"{name}.jsonl").read_text("utf-8").splitlines()]


def content(folder):
    """The files of a folder of output by name, without its state."""
    files = [path for path in folder.rglob("*") if path.is_file() and "_textcnn" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("more", [{}, {"meta": {"source": ["a", {"b": 1}]}}], ids=["flat", "nested"])
@pytest.mark.parametrize("has_core", [True, False], ids=["core", "numpy"])
def test_kept_lines_are_those_of_the_file_byte_by_byte(model, probability, tmp_path, monkeypatch, more, has_core):
    if not has_core:
        monkeypatch.setattr(binding, "library", lambda: None)
        monkeypatch.setattr("textcnn.core.library", lambda: None)
    monkeypatch.setattr("textcnn.filtering.documents.BLOCK", 2_000)  # so that there are many blocks
    documents = texts(300)
    lines = lines_of(documents, **more)
    write(tmp_path / "in" / "deep" / "a.jsonl", lines)
    out, aside = tmp_path / "out", tmp_path / "aside"
    invoke(
        "filter", model, tmp_path / "in", "--output", out, "--keep", "pos", "--min-probability", 0.5, "--dropped", aside
    )
    chances = probability(documents, "pos")
    kept = [line for line, chance in zip(lines, chances, strict=True) if chance >= 0.5]
    assert 0 < len(kept) < len(lines)
    assert (out / "deep/a.jsonl").read_text("utf-8").splitlines() == kept
    assert (aside / "deep/a.jsonl").read_text("utf-8").splitlines() == [line for line in lines if line not in kept]
    found = summary(out)
    assert (found["documents"], found["kept"], found["dropped"]) == (300, len(kept), 300 - len(kept))
    assert found["rejected"] == {}
    assert found["histogram"] == np.histogram(chances, bins=20, range=(0, 1))[0].tolist()
    assert found["shards"]["deep/a.jsonl"]["kept"] == len(kept)


def test_lines_without_a_text_are_rejected_each_with_its_reason(model, probability, tmp_path):
    good = ['{"text": "a good film"}', '{"text":"good \\ud800 film", "n": 1e5}', '{"text": "good\\u0000film"}']
    lines = [
        good[0].encode(),
        b"",
        b"{broken",
        b"[1]",
        b'{"other": 1}',
        b'{"text": null}',
        b'{"text": 7}',
        b'{"text": "caf\xe9"}',
        b'{"text": "  "}',
        good[1].encode() + b"\r",
        b" \t",
        good[2].encode(),  # the last one without a line end
    ]
    source = tmp_path / "a.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    out = tmp_path / "out"
    invoke("filter", model, source, "--output", out, "--keep", "pos", "--min-probability", 0)
    kept = (out / "a.jsonl").read_bytes()
    assert kept == good[0].encode() + b"\n" + good[1].encode() + b"\r\n" + good[2].encode()
    found = rejected(out, "a.jsonl")
    assert [(one["number"], one["reason"]) for one in found] == [
        (3, "not a JSON object"),
        (4, "not a JSON object"),
        (5, "no text"),
        (6, "no text"),
        (7, "a text that is no string"),
        (8, "bytes that are not UTF-8"),
        (9, "no text"),
    ]
    assert found[0]["document"] == "{broken"
    assert found[5]["document"] == '{"text": "caf\\xe9"}'
    counts = summary(out)
    assert counts["documents"] == 10
    assert counts["kept"] == 3
    assert counts["rejected"] == {
        "a text that is no string": 1,
        "bytes that are not UTF-8": 1,
        "no text": 3,
        "not a JSON object": 2,
    }


def test_parquet_keeps_its_schema_rows_and_compression(model, probability, tmp_path):
    documents = [None, "", *texts(400)]
    count = len(documents)
    schema = pa.schema(
        [
            pa.field("score", pa.float32(), metadata={b"unit": b"m"}),
            pa.field("text", pa.large_string()),
            pa.field("tags", pa.list_(pa.int8())),
            pa.field("language", pa.dictionary(pa.int32(), pa.string())),
        ],
        metadata={b"made": b"here"},
    )
    language = pa.array(["en", "de"] * (count // 2)).dictionary_encode()
    columns = [pa.array(np.arange(count) / 7, pa.float32()), pa.array(documents, pa.large_string())]
    columns += [pa.array([[n % 5] for n in range(count)], pa.list_(pa.int8())), language]
    table = pa.Table.from_arrays(columns, schema=schema)
    (tmp_path / "in").mkdir()
    parquet.write_table(table, tmp_path / "in" / "a.parquet", row_group_size=50, compression="zstd")
    out = tmp_path / "out"
    invoke("filter", model, tmp_path / "in", "-o", out, "--keep", "neg", "--min-probability", 0.4)
    chances = [0.0, 0.0, *probability(documents[2:], "neg")]
    kept = parquet.read_table(out / "a.parquet")
    read = parquet.read_table(tmp_path / "in" / "a.parquet")
    assert kept.equals(read.filter(pa.array([chance >= 0.4 for chance in chances])), check_metadata=True)
    assert 0 < len(kept) < count
    assert parquet.ParquetFile(out / "a.parquet").metadata.row_group(0).column(0).compression == "ZSTD"
    assert [(one["number"], one["reason"]) for one in rejected(out, "a.parquet")] == [(1, "no text"), (2, "no text")]
    assert rejected(out, "a.parquet")[1]["document"] == {
        "score": pytest.approx(1 / 7),
        "text": "",
        "tags": [1],
        "language": "de",
    }


@pytest.mark.parametrize("kind", [pa.string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_parquet_strings_of_any_layout_are_read(model, tmp_path, kind):
    parquet.write_table(pa.table({"text": pa.array(["good", "bad", "good"]).cast(kind)}), tmp_path / "a.parquet")
    invoke("filter", model, tmp_path / "a.parquet", "-o", tmp_path / "out", "--keep", "pos", "--min-probability", 0.5)
    assert parquet.read_table(tmp_path / "out/a.parquet")["text"].to_pylist() == ["good", "good"]


def test_a_parquet_string_that_is_not_utf_8_is_rejected(model, tmp_path):
    cells = pa.array([b"good", b"caf\xe9", b"good film"]).view(pa.string())
    parquet.write_table(pa.table({"text": cells}), tmp_path / "a.parquet")
    invoke("filter", model, tmp_path / "a.parquet", "-o", tmp_path / "out", "--keep", "pos", "--min-probability", 0.5)
    assert parquet.read_table(tmp_path / "out/a.parquet")["text"].to_pylist() == ["good", "good film"]
    assert [one["reason"] for one in rejected(tmp_path / "out", "a.parquet")] == ["bytes that are not UTF-8"]


def test_compressed_lines_stay_compressed_and_have_no_time_in_them(model, tmp_path):
    lines = lines_of(texts(50))
    plain = "".join(f"{line}\n" for line in lines).encode()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl.gz").write_bytes(gzip.compress(plain))
    with pa.CompressedOutputStream(str(tmp_path / "in/b.jsonl.zst"), "zstd") as file:
        file.write(plain)
    for name in ("one", "two"):
        invoke("filter", model, tmp_path / "in", "-o", tmp_path / name, "--keep", "pos", "--min-probability", 0)
    assert gzip.decompress((tmp_path / "one/a.jsonl.gz").read_bytes()) == plain
    with Source(tmp_path / "one/b.jsonl.zst").open() as stream:
        assert stream.read() == plain
    assert (tmp_path / "one/b.jsonl.zst").read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_share_is_exact_and_ties_go_by_shard_and_row(model, probability, tmp_path):
    first, second = ["good"] * 5 + ["bad"] * 5, ["good"] * 10 + ["really bad"] * 3
    write(tmp_path / "in/a.jsonl", lines_of(first))
    write(tmp_path / "in/b.jsonl", lines_of(second))
    out = tmp_path / "out"
    invoke(
        "filter", model, tmp_path / "in", "-o", out, "--keep", "pos", "--keep-share", 0.3, "--dropped", tmp_path / "not"
    )
    kept = {
        name: [json.loads(line)["id"] for line in (out / name).read_text().splitlines()]
        for name in ("a.jsonl", "b.jsonl")
    }
    assert kept == {"a.jsonl": [0, 1, 2, 3, 4], "b.jsonl": [0, 1]}  # 6.9 of 23 documents
    assert summary(out)["threshold"] == probability(["good"], "pos")[0]
    assert len((tmp_path / "not/b.jsonl").read_text().splitlines()) == 11


def test_a_share_keeps_the_most_probable_documents(model, probability, tmp_path):
    documents = texts(500, seed=3)
    write(tmp_path / "in/a.jsonl", lines_of(documents[:200]))
    write(tmp_path / "in/b.jsonl", [*lines_of(documents[200:]), "{}"])
    invoke("filter", model, tmp_path / "in", "-o", tmp_path / "out", "--keep", "pos", "--keep-share", 0.25)
    written = "".join((tmp_path / f"out/{name}.jsonl").read_text("utf-8") for name in "ab")
    kept = [json.loads(line)["text"] for line in written.splitlines()]
    chances = np.array(probability(documents, "pos"))
    best = np.sort(np.argsort(-chances, kind="stable")[:125])
    assert kept == [documents[place] for place in best]
    assert summary(tmp_path / "out")["rejected"] == {"no text": 1}


def test_a_route_has_a_folder_for_each_label(model, tmp_path):
    documents = texts(200)
    lines = lines_of(documents)
    write(tmp_path / "in/a.jsonl", lines)
    invoke("filter", model, tmp_path / "in", "-o", tmp_path / "out", "--route")
    given = Predictor.load(model).predict(documents)
    for label in ("pos", "neg"):
        expected = [line for line, one in zip(lines, given, strict=True) if one == label]
        assert (tmp_path / f"out/{label}/a.jsonl").read_text("utf-8").splitlines() == expected
    assert summary(tmp_path / "out")["labels"] == {label: given.count(label) for label in ("neg", "pos")}
    assert summary(tmp_path / "out")["kept"] == 200


def test_the_report_shows_kept_and_dropped_documents_with_their_reasons(model, tmp_path):
    write(tmp_path / "a.jsonl", lines_of(["a good film <b>", "a bad film", "good " * 2000]))
    invoke("filter", model, tmp_path / "a.jsonl", "-o", tmp_path / "out", "--keep", "pos", "--min-probability", 0.5)
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "Kept: a sample" in page
    assert "Dropped: a sample" in page
    assert "&lt;b&gt;" in page
    assert '<span class="for"' in page
    assert "a.jsonl, 3: pos" in page
    assert "http" not in page


def test_int8_filters_and_its_report_has_the_reasons_of_float32(model, tmp_path):
    write(tmp_path / "in.jsonl", lines_of(texts(20)))
    rule = ("--keep", "pos", "--min-probability", 0.5, "--precision", "int8")
    invoke("filter", model, tmp_path / "in.jsonl", "--output", tmp_path / "out", *rule)
    assert summary(tmp_path / "out")["precision"] == "int8"
    assert 'class="for"' in (tmp_path / "out/report.html").read_text("utf-8")


def test_finished_shards_are_not_filtered_again(model, tmp_path, monkeypatch):
    write(tmp_path / "in/a.jsonl", lines_of(texts(20)))
    write(tmp_path / "in/b.jsonl", lines_of(texts(20, seed=1)))
    command = ("filter", model, tmp_path / "in", "-o", tmp_path / "out", "--keep", "pos", "--min-probability", 0.5)
    invoke(*command)
    before = content(tmp_path / "out")
    (tmp_path / "out/_textcnn/done/b.jsonl.json").unlink()
    (tmp_path / "out/b.jsonl").write_text("half")
    monkeypatch.setattr("textcnn.filtering.job.FilterJob._filter", _only("b.jsonl"))
    assert "1 shard had been filtered before" in invoke(*command).output
    assert content(tmp_path / "out") == before


def _only(name):
    from textcnn.filtering.job import FilterJob

    run = FilterJob._filter

    def filter(job, shard, *others):
        assert shard.name == name
        run(job, shard, *others)

    return filter


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--min-probability", 0.6), r"min_probability was 0\.5 and is 0\.6"),
        (("--text-column", "id"), r"text_column was 'text' and is 'id'"),
        (("--precision", "int8"), r"precision was 'float32' and is 'int8'"),
    ],
)
def test_other_parameters_are_refused_by_name(model, tmp_path, change, message):
    write(tmp_path / "a.jsonl", lines_of(texts(5)))
    command = ["filter", model, tmp_path / "a.jsonl", "-o", tmp_path / "out", "--keep", "pos", "--min-probability", 0.5]
    invoke(*command)
    with pytest.raises(ConfigError, match=message):
        invoke(*command, *change)


def test_other_inputs_are_refused_by_name(model, tmp_path):
    source = write(tmp_path / "in/a.jsonl", lines_of(texts(5)))
    command = ["filter", model, tmp_path / "in", "-o", tmp_path / "out", "--keep", "pos", "--min-probability", 0.5]
    invoke(*command)
    write(tmp_path / "in/b.jsonl", lines_of(texts(5)))
    with pytest.raises(ConfigError, match=r"input 'b\.jsonl' is new"):
        invoke(*command)
    (tmp_path / "in/b.jsonl").rename(tmp_path / "in/a.jsonl")
    with pytest.raises(ConfigError, match=r"input 'a\.jsonl' has changed"):
        invoke(*command)
    source.unlink()
    write(tmp_path / "in/c.jsonl", lines_of(texts(5)))
    with pytest.raises(ConfigError, match=r"input 'a\.jsonl' is no longer read"):
        invoke(*command)


def test_a_damaged_shard_is_left_out_and_the_others_are_done(model, tmp_path):
    write(tmp_path / "in/a.jsonl", lines_of(texts(5)))
    (tmp_path / "in/b.jsonl.gz").write_bytes(gzip.compress("\n".join(lines_of(texts(5000))).encode())[:-900])
    (tmp_path / "in/c.parquet").write_bytes(b"PAR1 no")
    write(tmp_path / "in/d.jsonl", lines_of(texts(5)))
    command = ["filter", model, tmp_path / "in", "-o", tmp_path / "out", "--keep", "pos", "--min-probability", 0]
    with pytest.raises(DataError, match=r"2 of 4 shards could not be filtered: .*b\.jsonl\.gz"):
        invoke(*command)
    assert sorted(content(tmp_path / "out")) == ["a.jsonl", "d.jsonl"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "filter expects --keep LABEL or --route, and not both"),
        (("--keep", "pos", "--route"), "filter expects --keep LABEL or --route, and not both"),
        (("--keep", "pos"), "--keep expects --min-probability or --keep-share"),
        (("--keep", "pos", "--min-probability", 0.5, "--keep-share", 0.5), "and not both"),
        (
            ("--keep", "nice", "--min-probability", 0.5),
            r"--keep expects a label of the model \(.*\), got 'nice'",
        ),
        (("--keep", "pos", "--min-probability", 1.5), r"--min-probability expects a number from 0 to 1, got 1\.5"),
        (("--keep", "pos", "--keep-share", 1), r"--keep-share expects a number between 0 and 1, got 1\.0"),
        (("--route", "--dropped", "x"), "--route keeps every document and cannot be used with --dropped"),
        (("--route", "--engine", "spark"), "--engine must be ray, got 'spark'"),
        (("--route", "--address", "auto"), "--address needs --engine ray"),
    ],
)
def test_options_that_do_not_fit_are_refused(model, tmp_path, options, message):
    write(tmp_path / "a.jsonl", lines_of(texts(3)))
    with pytest.raises(ConfigError, match=message):
        invoke("filter", model, tmp_path / "a.jsonl", "-o", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


def test_inputs_that_cannot_be_filtered_are_refused(model, tmp_path):
    keep = ("--keep", "pos", "--min-probability", 0.5)
    write(tmp_path / "in/a.jsonl", lines_of(texts(3)))
    write(tmp_path / "other/a.jsonl", lines_of(texts(3)))
    write(tmp_path / "in/b.csv", ["text"])
    write(tmp_path / "own/rejected/a.jsonl", lines_of(texts(3)))
    write(tmp_path / "out0/a.jsonl", lines_of(texts(3)))
    for given, error, message in [
        ([tmp_path / "in/b.csv"], DataError, r"expected a file of JSON lines .* or Parquet"),
        ([tmp_path / "in/*.csv"], DataError, r"found '.*b\.csv' by the pattern"),
        ([tmp_path / "nothing"], DataError, "found nothing at"),
        ([tmp_path / "in", tmp_path / "other"], ConfigError, r"would both be written as 'a\.jsonl'"),
        ([tmp_path / "own"], ConfigError, r"would be written as 'rejected/a\.jsonl', a name of this command's own"),
        ([tmp_path], ConfigError, "lies in one that is read"),
        ([tmp_path / "out?/*.jsonl"], ConfigError, r"lies in the folder that is written"),
    ]:
        with pytest.raises(error, match=message):
            invoke("filter", model, *given, "-o", tmp_path / "out0", *keep)
    with pytest.raises(ConfigError, match="--output must be a new or empty folder"):
        invoke("filter", model, tmp_path / "in", "-o", tmp_path / "out0", *keep)
    with pytest.raises(ConfigError, match="must not lie in each other"):
        invoke("filter", model, tmp_path / "in", "-o", tmp_path / "out1", "--dropped", tmp_path / "out1/not", *keep)
    with pytest.raises(DataError, match=r"no document has a text in 'id2'; say which key"):
        invoke("filter", model, tmp_path / "in", "-o", tmp_path / "out2", "--text-column", "id2", *keep)


def test_a_pattern_names_files_from_its_first_wildcard(model, tmp_path):
    write(tmp_path / "crawl/2024/part-0.jsonl", lines_of(["good"]))
    write(tmp_path / "crawl/2025/part-0.jsonl", lines_of(["good"]))
    write(tmp_path / "crawl/2025/other.jsonl", lines_of(["good"]))
    pattern = tmp_path / "crawl/*/part-*.jsonl"
    invoke("filter", model, pattern, "-o", tmp_path / "out", "--keep", "pos", "--min-probability", 0)
    names = {"2024/part-0.jsonl", "2025/part-0.jsonl", "filter.json", "report.html"}
    assert set(content(tmp_path / "out")) == names


def test_an_empty_shard_gives_an_empty_file(model, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(b"")
    parquet.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "in/b.parquet")
    write(tmp_path / "in/c.jsonl", lines_of(["good"]))
    invoke("filter", model, tmp_path / "in", "-o", tmp_path / "out", "--keep", "pos", "--keep-share", 0.5)
    assert (tmp_path / "out/a.jsonl").read_bytes() == b""
    assert parquet.read_table(tmp_path / "out/b.parquet").num_rows == 0
    assert len((tmp_path / "out/c.jsonl").read_text().splitlines()) == 1
