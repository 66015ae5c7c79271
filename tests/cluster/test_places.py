"""Places: whole files or none, on a disk and on other file systems."""

import pytest
from pyarrow import fs

from textcnn.cluster.filesystem import Place, open_place
from textcnn.errors import DataError


@pytest.fixture(params=["path", "file-uri", "sub-tree", "memory"])
def place(request, tmp_path):
    if request.param == "sub-tree":  # not local: written elsewhere, copied, and moved, as in a store
        return Place(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "in", "sub://in")
    uris = {"path": str(tmp_path), "file-uri": f"file://{tmp_path}", "memory": f"fsspec+memory://{tmp_path.name}"}
    return open_place(uris[request.param])


def test_files_are_written_listed_and_read(place):
    assert place.entries() == []
    place.write_text("b/two.txt", "2")
    place.write_text("one.txt", "1")
    place.write_text("one.txt", "once more")
    assert [(e.name, e.size) for e in place.entries()] == [("b/two.txt", 1), ("one.txt", 9)]
    assert [e.name for e in place.entries("b")] == ["b/two.txt"]
    assert place.read_text("one.txt") == "once more"
    assert place.has("b/two.txt")
    assert not place.has("two.txt")
    with place.open("one.txt") as stream:
        assert (stream.peek(4)[:4], stream.read(4), stream.seek(0), stream.read()) == (
            b"once",
            b"once",
            0,
            b"once more",
        )


def test_a_writer_that_fails_leaves_what_was_there(place):
    place.write_text("one.txt", "1")

    def half(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("half")
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        place.write("one.txt", half)
    assert [(e.name, e.size) for e in place.entries()] == [("one.txt", 1)]


def test_what_a_dead_writer_left_is_removed(place):
    place.write_text("_textcnn/unfinished/x-one.txt", "half")
    place.remove_unfinished()
    place.remove_unfinished()
    assert place.entries() == []


def test_an_unknown_file_system():
    with pytest.raises(DataError, match=r"expected a path or a URI as s3://bucket/folder, got 'what://x'"):
        open_place("what://key:secret@x")


def test_messages_show_no_keys():
    assert open_place("s3://key:secret@bucket/in?region=x").uri == "s3://bucket/in"


def test_a_place_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"expected a file or folder, found nothing at '.*nowhere'"):
        open_place(str(tmp_path / "nowhere")).is_folder()
