"""Data sets of the Hugging Face hub by name; `datasets` is imported only when one is asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from textcnn.errors import DataError
from textcnn.text.endings import EXTENSIONS, PACKED, extension
from textcnn.text.memory import dataset_table
from textcnn.text.read_table import Table

PREFIX = "hf://"
ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
FILE = re.compile(rf"({ID.pattern})/(.+)")
ID_SPLIT = re.compile(rf"({ID.pattern})(?:/([\w.-]+))?")


def is_hub_id(name: str) -> bool:
    """Whether a string that is no path names a data set of the hub, and is not a mistyped path."""
    if name.startswith(PREFIX):
        return True
    is_path = extension(name) in EXTENSIONS or name.lower().endswith(PACKED) or Path(name).parent.exists()
    return ID.fullmatch(name) is not None and not is_path


def hub_table(name: str) -> Table:
    """The table of a split, see :func:`hub_split`."""
    dataset, full_name = hub_split(name)
    return dataset_table(dataset, full_name)


def hub_split(name: str) -> tuple[Any, str]:
    """The split ``owner/name``, ``hf://owner/name`` or ``hf://owner/name/split``, and its whole name.

    The split is train if not given.

    Raises:
        DataError: the name is not of that form, or the data set cannot be loaded.
    """
    match = ID_SPLIT.fullmatch(name.removeprefix(PREFIX))
    if match is None:
        raise DataError(f"expected hf://owner/name or hf://owner/name/split, found {name!r}")
    owner_name, split = match[1], match[2] or "train"
    import datasets

    try:
        dataset = datasets.load_dataset(owner_name, split=split)
    except Exception as err:  # datasets, its hub client and its HTTP library have no common error
        reason = next(iter(str(err).splitlines()), "") or type(err).__name__
        raise DataError(
            f"expected to load split {split!r} of {owner_name!r} from the Hugging Face hub, found: {reason}; "
            "this needs the network, or the data set in the cache from an earlier run"
        ) from err
    return dataset, f"{PREFIX}{owner_name}/{split}"


def local_file(name: str) -> Path:
    """The path ``name``, or the file that ``hf://owner/name/file`` names, fetched into the hub's cache.

    Raises:
        DataError: the name is not of that form, or the file cannot be fetched.
    """
    if not name.startswith(PREFIX):
        return Path(name)
    match = FILE.fullmatch(name.removeprefix(PREFIX))
    if match is None:
        raise DataError(f"expected hf://owner/name/file, found {name!r}")
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(match[1], match[2]))
    except Exception as err:  # the hub client and its HTTP library have no common error
        reason = next(iter(str(err).splitlines()), "") or type(err).__name__
        raise DataError(
            f"expected the file {match[2]!r} of {match[1]!r} from the Hugging Face hub, found: {reason}; "
            "this needs the network, or the file in the cache from an earlier run"
        ) from err
