import gzip
import io
import json
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from textcnn.config import TextConfig
from textcnn.errors import DataError
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn.vectors.pretrained import read_vectors


def glove(words, rows):
    return "".join(f"{w} {' '.join(map(repr, row.tolist()))}\n" for w, row in zip(words, rows, strict=True)).encode()


def word2vec_text(words, rows):
    return f"{len(words)} {rows.shape[1]}\n".encode() + glove(words, rows)


def fasttext(words, rows):
    return word2vec_text(words, rows).replace(b"\n", b" \n").replace(b" \n", b"\n", 1)


def word2vec_binary(words, rows, *, between=b"\n"):
    body = b"".join(w.encode() + b" " + row.tobytes() + between for w, row in zip(words, rows, strict=True))
    return f"{len(words)} {rows.shape[1]}\n".encode() + body


def gensim_binary(words, rows):
    return word2vec_binary(words, rows, between=b"")


def npz(words, rows, **more):
    file = io.BytesIO()
    np.savez_compressed(file, words=np.array(words), vectors=rows, **more)
    return file.getvalue()


def safetensors(words, rows, tmp_path):
    path = tmp_path / "made.safetensors"
    save_file({"vectors": rows}, path, metadata={"words": json.dumps(words)})
    return path.read_bytes()


WRITERS = [glove, word2vec_text, fasttext, word2vec_binary, gensim_binary, npz, safetensors]
letters = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\0"), min_size=1)
# Three numbers or more: bytes of fewer may all be printable, and then only the name .bin says that they are binary.
tables = st.integers(3, 6).flatmap(
    lambda dim: st.dictionaries(
        letters,
        st.lists(st.floats(-100, 100, width=32), min_size=dim, max_size=dim),
        min_size=1,
        max_size=6,
    )
)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("write", WRITERS)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables)
def test_what_was_written_is_read(write, packed, table, tmp_path):
    words, rows = list(table), np.array(list(table.values()), np.float32)
    content = write(words, rows, tmp_path) if write is safetensors else write(words, rows)
    path = tmp_path / ("vectors.bin" if write in (word2vec_binary, gensim_binary) else "vectors")
    path.write_bytes(gzip.compress(content) if packed else content)
    found = read_vectors(path, words)
    assert found.names == tuple(words)
    np.testing.assert_array_equal(found.rows, rows)
    assert (found.num_read, found.duplicates) == (len(words), 0)
    some = read_vectors(path, words[::2])
    assert some.names == tuple(words[::2])
    np.testing.assert_array_equal(some.rows, rows[::2])


def test_binary_is_known_without_its_name(tmp_path, random):
    rows = random.normal(size=(4, 50)).astype(np.float32)
    (tmp_path / "file").write_bytes(word2vec_binary("abcd", rows))
    np.testing.assert_array_equal(read_vectors(tmp_path / "file", "abcd").rows, rows)


def test_words_may_hold_blanks_and_rows_a_byte_order_mark(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"\xef\xbb\xbfone 1 2\r\nnew york\t3 4\r\n\n. . . 5 6\n")
    found = read_vectors(tmp_path / "v.txt", ["one", "new york", ". . ."])
    assert found.names == ("one", "new york", ". . .")
    np.testing.assert_array_equal(found.rows, [[1, 2], [3, 4], [5, 6]])


def test_of_equal_words_the_first_counts(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 2\nb 3 4\na 5 6\na 7 8\n", "utf-8")
    found = read_vectors(tmp_path / "v.txt", ["a", "b"])
    assert (found.names, found.duplicates, found.num_read) == (("a", "b"), 2, 4)
    np.testing.assert_array_equal(found.rows, [[1, 2], [3, 4]])


def test_an_exact_word_goes_before_a_folded_one(tmp_path):
    (tmp_path / "v.txt").write_text("US 1 1\nus 2 2\nUs 3 3\nFilm 4 4\nFILM 5 5\nplot 6 6\nPLOT 7 7\n", "utf-8")
    tokenizer = Tokenizer.train(["us film"], TextConfig())
    found = read_vectors(tmp_path / "v.txt", ["us", "film", "plot"], as_type=tokenizer.type_of)
    assert found.names == ("us", "film", "plot")
    np.testing.assert_array_equal(found.rows[:, 0], [2, 4, 6])
    assert found.duplicates == 0


def test_the_first_words_beside_the_wanted_are_kept_if_the_tokenizer_gives_them(tmp_path):
    (tmp_path / "v.txt").write_text("the 1 1\n... 2 2\nCat 3 3\nfilm 4 4\ndog 5 5\ncat 6 6\nox 7 7\n", "utf-8")
    tokenizer = Tokenizer.train(["film"], TextConfig())
    found = read_vectors(tmp_path / "v.txt", ["film"], keep=3, as_type=tokenizer.type_of)
    assert found.names == ("the", "cat", "film", "dog")
    np.testing.assert_array_equal(found.rows[:, 0], [1, 6, 4, 5])  # "..." is three tokens


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a 1 2 3\nb 4 5\n", r"v:2: expected a word and 3 numbers, found 2 numbers"),
        (b"a 1 2 3\nb 4 5 6 7\n", r"v:2: expected a word and 3 numbers, found 4 numbers"),
        (b"2 3\na 1 2 3\nb 4 5\n", r"v:3: expected a word and 3 numbers, found 2 numbers"),
        (b"a 1 2 3\nb 4 x 6\n", r"v:2: expected 3 numbers, found b'x' among them"),
        (b"a 1 2 3\nb 4 nan 6\n", r"v:2: expected finite numbers for 'b', found NaN or infinity"),
        (b"a 1 2 3\nb 4 1e99 6\n", r"v:2: expected finite numbers for 'b', found NaN or infinity"),
        (b"word\n", r"v:1: expected a word and its numbers, found b'word\\n'"),
        (b"", r"v:1: expected a word and its numbers, found b''"),
        (b"2 3\n", r"v: expected word vectors, found none"),
        (b"2 999999999999\na 1\n", r"v: expected vectors of 1 to 100,000 numbers, found 999,999,999,999"),
        (b"2 0\na 1\n", r"v: expected vectors of 1 to 100,000 numbers, found 0"),
        (b"\xba\x16\x4f\x2f\0\0", r"v: expected word vectors, found a fastText model; take its .vec file"),
        (b"\0\1\2\3", r"v: expected word vectors as text, word2vec binary, npz or safetensors"),
        (b"PK\x03\x04 no archive", r"v: expected .*: File is not a zip file"),
        (b"\x02\0\0\0\0\0\0\0{}", r"v: expected a safetensors file of word vectors: "),
        (b"\xff\0\0\0\0\0\0\0{}", r"v: expected a safetensors file of word vectors: "),
        (b"\x1f\x8bno gzip", r"v: expected a readable file, found: "),
    ],
)
def test_a_malformed_file_says_what_is_wrong_and_where(tmp_path, content, message):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_vectors(tmp_path / "v", ["a", "b"])
    if content[:2] != b"\x1f\x8b":
        (tmp_path / "v").write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match=message):
            read_vectors(tmp_path / "v", ["a", "b"])


def test_a_file_that_is_absent(tmp_path):
    with pytest.raises(DataError, match=r"none.txt: expected a readable file, found: .*No such file"):
        read_vectors(tmp_path / "none.txt", ["a"])


def test_binary_vectors_that_are_cut_or_claim_too_much(tmp_path, random):
    rows = random.normal(size=(4, 9)).astype(np.float32)
    whole = gensim_binary("abcd", rows)
    for end in range(len(b"4 9\n"), len(whole)):
        (tmp_path / "v.bin").write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"expected 4 vectors of 9 numbers, the file ends in, .* at, vector [1-4]"):
            read_vectors(tmp_path / "v.bin", "abcd")
    (tmp_path / "v.bin").write_bytes(whole.replace(b"4 9", b"4000000000000 9"))
    with pytest.raises(DataError, match=r"expected 4,000,000,000,000 vectors of 9 numbers, .* vector 5"):
        read_vectors(tmp_path / "v.bin", "abcd")
    rows[2, 0] = np.nan
    (tmp_path / "v.bin").write_bytes(word2vec_binary("abcd", rows))
    assert len(read_vectors(tmp_path / "v.bin", "abd").rows) == 3  # nobody asked for that one
    with pytest.raises(DataError, match=r"v.bin: expected finite numbers for 'c', found NaN"):
        read_vectors(tmp_path / "v.bin", "abcd")


def claimed(shape, dtype="<f4"):
    """An npz whose vectors claim a shape and hold 8 bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, size, kind in (("words", (2,), "<U1"), ("vectors", shape, dtype)):
            member = io.BytesIO()
            np.lib.format.write_array_header_1_0(member, {"shape": size, "fortran_order": False, "descr": kind})
            archive.writestr(f"{name}.npy", member.getvalue() + b"a\0\0\0b\0\0\0")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npz(["a", "b"], np.ones((3, 2))), r"expected vectors \(N, D\) and N words, found \(3, 2\) and \(2,\)"),
        (npz(["a"], np.ones(1)), r"expected vectors \(N, D\) and N words, found \(1,\) and \(1,\)"),
        (npz(["a"], np.ones((1, 2), np.int32)), r"vectors.npy is of dtype int32"),
        (npz(["a", "b"], np.asfortranarray(np.ones((2, 2)))), r"vectors.npy is of dtype float64 \(columns first\)"),
        (npz(np.array(["a"], object), np.ones((1, 2))), r"words.npy is of dtype object"),
        (npz(["a"], np.array([[np.inf]])), r"expected finite numbers for 'a'"),
        (claimed((2, 10**12)), r"vectors.npy has entries of 4,000,000,000,000 bytes"),
        (claimed((2, 10**4)), r"vectors.npy claims to be \(2, 10000\), which is more than it holds"),
        (claimed((10**12, 1)), r"vectors.npy claims to be \(1000000000000, 1\), which is more than it holds"),
    ],
)
def test_an_npz_that_is_no_table_of_vectors(tmp_path, content, message):
    (tmp_path / "v.npz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_vectors(tmp_path / "v.npz", ["a", "b"])


def test_an_npz_of_other_arrays_and_a_damaged_one(tmp_path):
    file = io.BytesIO()
    np.savez(file, words=np.array(["a"]), rows=np.ones((1, 2)))
    (tmp_path / "v.npz").write_bytes(file.getvalue())
    with pytest.raises(DataError, match=r"words and vectors, found words.npy, rows.npy; vectors.npy lacks"):
        read_vectors(tmp_path / "v.npz", ["a"])
    file = io.BytesIO()
    np.savez(file, words=np.array(["a", "b"]), vectors=np.ones((2, 99)))
    damaged = bytearray(file.getvalue())
    damaged[-400] ^= 255  # one byte of the vectors: the archive's checksum finds it
    (tmp_path / "v.npz").write_bytes(damaged)
    with pytest.raises(DataError, match="expected an npz file of word vectors: Bad CRC-32"):
        read_vectors(tmp_path / "v.npz", ["a"])


def npz_of(members, how=zipfile.ZIP_DEFLATED):
    """An archive with these contents, and right checksums."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def npy(shape, kind, content=b"", name="descr"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, name: kind})
    return file.getvalue() + content


VECTORS = npy((1, 2), "<f4", bytes(8))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (b"\x93NUMPY\x01\x00\x0a\x00{[]: 123} ", "expected an npy header in 'words.npy', found"),
        (b"\x93NUMPY\x01\x00\x0a\x00((((((((( ", "expected an npy header in 'words.npy', found"),
        (b"\x93NUMPY\x09\x00" + bytes(9), r"expected npy format 1.0 or 2.0 in 'words.npy', found \(9, 0\)"),
        (npy((1,), "<U1", b"\xff\xff\xff\x7f"), "expected characters in 'words.npy', found numbers that are none"),
        (npy((1,), "<U1", b"\0\xd8\0\0"), "expected characters in 'words.npy', found numbers that are none"),
    ],
)
def test_an_npz_whose_words_are_none(tmp_path, words, message):
    (tmp_path / "v.npz").write_bytes(npz_of({"words.npy": words, "vectors.npy": VECTORS}))
    with pytest.raises(DataError, match=rf"v.npz: {message}"):
        read_vectors(tmp_path / "v.npz", ["a"])


def test_a_header_of_any_length_takes_no_memory(tmp_path):
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**26) + b" " * 2**26  # packed, 65 kB
    (tmp_path / "v.npz").write_bytes(npz_of({"words.npy": header, "vectors.npy": VECTORS}))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"v.npz: expected an npz file of word vectors: "):
            read_vectors(tmp_path / "v.npz", ["a"])
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_npz_packed_as_numpy_never_packs(tmp_path, how):
    words = npy((1,), "<U1", b"a\0\0\0")
    (tmp_path / "v.npz").write_bytes(npz_of({"words.npy": words, "vectors.npy": VECTORS}, how))
    with pytest.raises(DataError, match=f"expected 'words.npy' stored or deflated, found compression {how}"):
        read_vectors(tmp_path / "v.npz", ["a"])


def test_a_number_that_is_none_takes_no_time_to_find_out(tmp_path):
    (tmp_path / "v").write_bytes(b"a 1 2 3\nw " + b"1" * 50_000 + b"x 1 2 3\n")
    began = time.perf_counter()
    assert read_vectors(tmp_path / "v", ["a"]).num_read == 2
    assert time.perf_counter() - began < 5  # a minute where digits can be parted in many ways


@pytest.mark.parametrize(
    ("tensors", "words", "message"),
    [
        ({"vectors": np.ones((1, 2))}, None, "expected a JSON list of words as metadata 'words'"),
        ({"vectors": np.ones((1, 2))}, '["a", 1]', "expected a JSON list of words as metadata 'words'"),
        ({"vectors": np.ones((1, 2))}, "[", "expected a safetensors file of word vectors: "),
        ({"vectors": np.ones((1, 2))}, '["a", "b"]', r"N words, found \(1, 2\) and \(2,\)"),
        ({"vectors": np.ones((1, 2), np.int64)}, '["a"]', "expected vectors of F16, F32 or F64, found I64"),
        ({"rows": np.ones((1, 2))}, '["a"]', "expected a safetensors file of word vectors: .*vectors"),
    ],
)
def test_safetensors_of_another_kind(tmp_path, tensors, words, message):
    save_file(tensors, tmp_path / "v.safetensors", metadata=None if words is None else {"words": words})
    with pytest.raises(DataError, match=message):
        read_vectors(tmp_path / "v.safetensors", ["a"])


def test_glove_is_read_in_seconds(data_folder):
    began = time.perf_counter()
    found = read_vectors(data_folder / "glove.100k.100d.txt.gz", ["the", "film"], keep=1000)
    assert time.perf_counter() - began < 30  # 2 s on an idle machine
    assert (found.num_read, len(found.names), found.dim) == (100_000, 1002, 100)
    assert found.names[0] == "the"
    assert found.rows[0, :2].tolist() == pytest.approx([-0.038194, -0.24487])
