"""What a fuzzer does to a valid file: bytes cut, changed, spliced and doubled; documents changed value by value.

A changed value under a checksum, or in a compressed member, would only ever try the checksum. So there are kinds of
content that are opened, changed inside, and closed again.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

# Values that are of another type, out of range, or larger than any machine, in the place of a value.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 255, 2**31, 2**32, 2**63, 10**12, 10**400, -(10**400)),
    *(0.5, -0.5, 1e308, 1e-320, float("nan"), float("inf")),
    *("", " ", "a", "\ud800", "a\0b", "x" * 300, "../..", "/dev/zero", "(" * 300),
    *(
        "F16",
        "BF16",
        "F64",
        "I64",
        "I32",
        "I8",
        "BOOL",
        "image",
        "lstm",
        "bag",
        "tanh",
        "int8",
        "WordPiece",
        "Sequence",
    ),
    *([], {}, [[]], [None], [1] * 50, ["a"], {"a": 1}, {"type": "Sequence"}),
)
ODD_BYTES = (
    b"\0",
    b"\xff" * 8,
    b'"',
    b"\r",
    b"\n",
    b",",
    b"\t",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"{",
    b"[" * 99,
    b"-1",
    b"9" * 30,
)


def mutated(content: bytes, kind: str, random: random.Random) -> bytes:
    """The content with some damage; ``kind`` is one of :data:`KINDS`."""
    try:
        return KINDS[kind](content, random)
    except Exception:  # it has been damaged so far that it does not open, in one of many ways
        return damaged(content, random)


def damaged(content: bytes, random: random.Random) -> bytes:
    """Bytes cut off, changed, taken out, doubled, or moved."""
    for _ in range(random.randint(1, 3)):
        start, end = sorted((random.randint(0, len(content)), random.randint(0, len(content))))
        change = random.randrange(6)
        if change == 0:
            content = content[:end]
        elif change == 1 and content:
            place = random.randrange(len(content))
            content = content[:place] + bytes([random.randrange(256)]) + content[place + 1 :]
        elif change == 2:
            content = content[:start] + random.choice(ODD_BYTES) + content[start:]
        elif change == 3:
            content = content[:start] + content[min(end, start + 20) :]
        elif change == 4:
            content = content[:end] + content[start:end] * random.randint(1, 3) + content[end:]
        else:
            content = content[start:] + content[:start]
    return content


def changed_json(content: bytes, random: random.Random) -> bytes:
    """A JSON document, some values of which are others; rarely as bytes."""
    if random.random() < 0.1:
        return damaged(content, random)
    document = changed(json.loads(content), random)
    return json.dumps(document).encode()


def changed(document: Any, random: random.Random) -> Any:
    """A copy of nested dictionaries and lists in which one to three places have changed."""
    document = copy.deepcopy(document)
    for _ in range(random.randint(1, 3)):
        places = list(_places(document))
        if not places:
            return document
        container, key = random.choice(places)
        change = random.randrange(5)
        if change == 0:
            del container[key]
        elif change == 1:
            other, other_key = random.choice(places)
            container[key] = copy.deepcopy(other[other_key])
        elif change == 2 and isinstance(container[key], list):
            container[key] = container[key] * random.randint(0, 3) if random.random() < 0.5 else container[key][::-1]
        else:
            container[key] = copy.deepcopy(random.choice(ODD))
    return document


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, (dict, list)):
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            yield from ((value, key) for key in keys)
            left += [value[key] for key in keys]


def changed_safetensors(content: bytes, random: random.Random) -> bytes:
    """A safetensors file whose header says something else, its length put right; or a damaged one."""
    if random.random() < 0.3:
        return damaged(content, random)
    size = int.from_bytes(content[:8], "little")
    header, numbers = json.loads(content[8 : 8 + size]), content[8 + size :]
    changed_header = _other_shape(header, random) if random.random() < 0.4 else changed(header, random)
    raw = json.dumps(changed_header).encode()
    return len(raw).to_bytes(8, "little") + raw + numbers


def _other_shape(header: Any, random: random.Random) -> Any:
    """The header with a tensor of the same number of bytes, but of another shape or type."""
    header = copy.deepcopy(header)
    tensor = header[random.choice(sorted(name for name in header if name != "__metadata__"))]
    shape = tensor["shape"]
    if random.random() < 0.5 and shape:
        total = 1
        for size in shape:
            total *= size
        tensor["shape"] = random.choice([shape[::-1], [total], [total, 1], [1, total], [*shape, 1], [1, *shape]])
    else:
        same = {"F32": "I32", "I64": "F64", "I32": "F32", "F64": "I64", "F16": "BF16"}
        tensor["dtype"] = same.get(tensor["dtype"], "I8")
    return header


def changed_npz(content: bytes, random: random.Random) -> bytes:
    """An archive with a damaged member under a right checksum; or a damaged archive."""
    if random.random() < 0.3:
        return damaged(content, random)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(sorted(members))
    if random.random() < 0.5:  # the npy header, which ends in a line end, at one place
        head, _, tail = members[name].partition(b"\n")
        members[name] = damaged(head, random) + b"\n" + tail
    else:
        members[name] = damaged(members[name], random)
    packed, kinds = io.BytesIO(), (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(packed, "w", random.choice(kinds)) as archive:
        for member, inside in members.items():
            archive.writestr(member, inside)
    return packed.getvalue()


def changed_gzip(content: bytes, random: random.Random) -> bytes:
    """A gzip file of damaged content; or a damaged gzip file."""
    if random.random() < 0.3:
        return damaged(content, random)
    return gzip.compress(damaged(gzip.decompress(content), random), 1, mtime=0)


KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bytes": damaged,
    "gzip": changed_gzip,
    "json": changed_json,
    "safetensors": changed_safetensors,
    "npz": changed_npz,
}
