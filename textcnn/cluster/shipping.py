"""A model folder on its way to machines that do not have it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from textcnn.errors import ArtifactError
from textcnn.inference.folder import CONFIG, TIMING, TOKENIZER, TRAINING, WEIGHTS, fingerprint

Files = Mapping[str, bytes]

_NEEDED = (CONFIG, WEIGHTS, TOKENIZER, TRAINING, TIMING)


def pack(folder: Path) -> Files:
    """The files of a model that are needed to answer."""
    return {name: (folder / name).read_bytes() for name in _NEEDED if (folder / name).is_file()}


@contextmanager
def model_here(folder: Path, wanted: str, files: Files | None) -> Iterator[Path]:
    """The model of this fingerprint on this machine: in its folder where that is here too, else unpacked to be loaded.

    What is unpacked is deleted at the end of the block; mapped weights stay with who has mapped them.

    Raises:
        ArtifactError: it is not here, and was not sent.
    """
    if folder.is_dir() and fingerprint(folder) == wanted:
        yield folder
        return
    if files is None:
        raise ArtifactError(f"expected the model {wanted} in {str(folder)!r} on every machine, found another or none")
    with tempfile.TemporaryDirectory(prefix="textcnn-model-") as place:
        for name, content in files.items():
            Path(place, name).write_bytes(content)
        yield Path(place)
