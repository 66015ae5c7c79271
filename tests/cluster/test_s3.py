"""A folder of an S3 store, spoken to over a real socket: moto's server on the loopback is the store."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from urllib.parse import quote

import pytest
from pyarrow import fs
from skipping import skip_without

from textcnn.cluster.filesystem import open_place
from textcnn.errors import DataError

KEY, SECRET = "somebody", "a/secret+"


@pytest.fixture(scope="module")
def store():
    """The address of a store with one bucket."""
    skip_without(importlib.util.find_spec("moto") is not None, "moto")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"{host}:{port}"
    client = fs.S3FileSystem(
        access_key=KEY, secret_key=SECRET, endpoint_override=address, scheme="http", allow_bucket_creation=True
    )
    client.create_dir("bucket")
    yield address
    server.stop()


@pytest.fixture(scope="module")
def of_store(store):
    """The URI of a folder there, with keys in it or without."""

    def uri(folder, *, keys=True):
        who = f"{KEY}:{quote(SECRET, safe='')}@" if keys else ""
        return f"s3://{who}bucket/{folder}?scheme=http&endpoint_override={quote(store, safe='')}&region=us-east-1"

    return uri


def test_files_are_whole_or_not_there(of_store):
    place = open_place(of_store("texts"))
    assert place.entries() == []
    place.write_text("b/two.txt", "2")
    place.write_text("one.txt", "1")
    place.write_text("one.txt", "once more")
    assert place.is_folder()
    assert [(e.name, e.size) for e in place.entries()] == [("b/two.txt", 1), ("one.txt", 9)]
    assert place.read_text("one.txt") == "once more"

    def half(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("half")
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        place.write("one.txt", half)
    assert place.read_text("one.txt") == "once more"
    place.write_text("_textcnn/unfinished/x-one.txt", "half")
    place.remove_unfinished()
    assert [e.name for e in place.entries()] == ["b/two.txt", "one.txt"]
    file, name = open_place(of_store("texts/one.txt")).parent()
    assert (name, file.read_text(name)) == ("one.txt", "once more")


def test_keys_are_in_no_message(of_store):
    place = open_place(of_store("texts"))
    assert place.uri == "s3://bucket/texts"
    with pytest.raises(DataError, match=r"expected a file or folder, found nothing at 's3://bucket/nothing'"):
        open_place(of_store("nothing")).is_folder()


def test_ray_reads_from_a_store_and_writes_to_it(of_store, model, inputs, expected):
    """The bytes of one process; the keys come from the usual variables, which the workers have too."""
    source = open_place(of_store("in"))
    for path in sorted(p for p in inputs.rglob("*.*") if p.is_file()):
        source.write(str(path.relative_to(inputs)), partial(shutil.copyfile, path))
    command = [sys.executable, "-m", "textcnn_cli", "classify", str(model), "--engine", "ray"]
    command += ["--input", of_store("in", keys=False), "--output", of_store("out", keys=False)]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    out = open_place(of_store("out"))
    found = {e.name: out.open(e.name).read() for e in out.entries() if not e.name.startswith("_")}
    assert found == expected
    assert SECRET not in json.dumps([out.read_text(e.name) for e in out.entries("_textcnn")])
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert SECRET not in done.stderr + again.stderr
