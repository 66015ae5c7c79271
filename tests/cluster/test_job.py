"""Units of work without Ray: what they are cut into, what they make, and what a second start finds."""

import json
from dataclasses import replace

import pytest
from cluster_files import answers, write_inputs

from textcnn.cluster.filesystem import open_place
from textcnn.cluster.job import TRIES, Job, do_unit, model_here, pack
from textcnn.cluster.state import claim, finished
from textcnn.cluster.units import find_units
from textcnn.config import DataConfig
from textcnn.errors import ArtifactError, ConfigError, DataError
from textcnn.folder.model_folder import fingerprint
from textcnn.prediction.predictor import Predictor


@pytest.fixture
def job(inputs, model, tmp_path):
    place = open_place(str(inputs))
    return Job(place, open_place(str(tmp_path / "out")), model, fingerprint(model), DataConfig())


@pytest.fixture(scope="module")
def predictor(model):
    return Predictor.load(model, threads=1)


def units_of(job, **how):
    return find_units(job.inputs, "auto", cut=True, **how)[1]


def test_parts_of_a_file_are_the_whole(job, predictor, expected, tmp_path):
    units = units_of(job, unit_bytes=4_000)
    assert [u.file for u in units if u.parts > 1] == ["more/c.parquet"] * units[-1].parts
    assert units[-1].parts > 2
    for unit in units:
        assert do_unit(job, unit, predictor).problem is None
    found = answers(tmp_path / "out")
    names = sorted(name for name in found if "part-" in name)
    assert names[0] == f"more/c.parquet.part-00000-of-{len(names):05d}.jsonl"
    assert b"".join(found.pop(name) for name in names) == expected["more/c.parquet.jsonl"]
    assert found == {name: content for name, content in expected.items() if "c.parquet" not in name}


def test_a_unit_is_not_done_twice(job, predictor, tmp_path):
    unit = units_of(job)[0]
    first = do_unit(job, unit, predictor)
    path = tmp_path / "out" / first.output
    before = path.stat().st_mtime_ns
    assert do_unit(job, unit, None) == replace(first, notices=dict(first.notices))
    assert path.stat().st_mtime_ns == before
    assert set(finished(job.output, units_of(job), "jsonl")) == {first.output}
    path.unlink()
    assert finished(job.output, units_of(job), "jsonl") == {}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"counts": 3}, "counts must be a table of int, found 3"),
        ({"problem": 3}, "problem must be str or none, found 3"),
        ({"more": 1}, "unknown field 'more'; it has output, "),
        ({}, "missing field 'unit'"),
    ],
)
def test_a_damaged_result_of_a_unit_is_told(job, predictor, tmp_path, changes, problem):
    unit = units_of(job)[0]
    path = tmp_path / "out" / "_textcnn" / "done" / f"{do_unit(job, unit, predictor).output}.json"
    saved = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**saved, **changes} if changes else {"output": saved["output"]}), encoding="utf-8")
    with pytest.raises(DataError, match=rf"expected the result of a unit, found: {problem}.*; delete it"):
        finished(job.output, [unit], "jsonl")


def test_a_unit_that_kills_its_workers_is_left(job, predictor, monkeypatch):
    unit = units_of(job)[0]
    monkeypatch.setattr("textcnn.cluster.job.open_rows", lambda *_, **__: 1 / 0)  # the worker ends
    for _ in range(TRIES):
        with pytest.raises(ZeroDivisionError):
            do_unit(job, unit, predictor)
    assert f"a.csv: {TRIES} workers ended before they had classified it" in do_unit(job, unit, predictor).problem


def test_a_changed_file_is_not_mixed_with_its_old_answers(model, predictor, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,text\n1,good\n", encoding="utf-8")
    job = Job(open_place(str(tmp_path / "in")), open_place(str(tmp_path / "out")), model, "", DataConfig())
    do_unit(job, units_of(job)[0], predictor)
    (tmp_path / "in" / "a.csv").write_text("id,text\n1,good\n2,bad\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'a.csv' has changed since its answers '.*a.csv.jsonl' were written"):
        finished(job.output, units_of(job), "jsonl")


def test_a_folder_of_answers_belongs_to_its_settings(job, tmp_path):
    claim(job.output, job.settings())
    claim(job.output, job.settings())
    with pytest.raises(ConfigError, match=r"holds answers made otherwise: precision was 'float32' and is 'int8'"):
        claim(job.output, replace(job, precision="int8").settings())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(ConfigError, match=r"must be a new or empty folder, .*other' holds 'file'"):
        claim(open_place(str(tmp_path / "other")), job.settings())
    (tmp_path / "out" / "_textcnn" / "run.json").write_text("no")
    with pytest.raises(DataError, match=r"run.json: expected a JSON object"):
        claim(job.output, job.settings())


def test_other_endings_hold_the_same_rows(job, predictor, expected, tmp_path):
    unit = next(u for u in units_of(job) if u.file == "a.csv")
    from pyarrow import parquet

    assert do_unit(replace(job, ending="parquet"), unit, predictor).problem is None
    rows = parquet.read_table(tmp_path / "out" / "a.csv.parquet").to_pylist()
    lines = [json.loads(line) for line in expected["a.csv.jsonl"].splitlines()]
    assert [(r["id"], r["text"], r["label"]) for r in rows] == [(r["id"], r["text"], r["label"]) for r in lines]


def test_what_is_no_data_is_left_out(tmp_path):
    write_inputs(tmp_path / "in")
    (tmp_path / "in" / "notes.docx").write_text("x")
    _, units, left_out = find_units(open_place(str(tmp_path / "in")), "auto", cut=True)
    assert (len(units), left_out) == (7, 1)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"expected files that end in \.csv, .*, found none; say what they are"):
        find_units(open_place(str(tmp_path / "none")), "auto", cut=True)


def test_a_model_is_sent_where_it_is_not(model, tmp_path):
    wanted, files = fingerprint(model), pack(model)
    with model_here(model, wanted, None) as here:
        assert here == model
    with model_here(tmp_path / "nowhere", wanted, files) as here:
        assert fingerprint(here) == wanted
        predictor = Predictor.load(here, threads=1)
    assert not here.exists()
    assert predictor.predict(["a good film"]) == Predictor.load(model, threads=1).predict(["a good film"])
    with pytest.raises(ArtifactError, match=r"expected the model [0-9a-f]{16} in '.*nowhere' on every machine"):
        model_here(tmp_path / "nowhere", wanted, None).__enter__()
