"""Downloads models from the Hugging Face hub and uploads them; the token comes from the environment alone."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePath
from typing import Any

from textcnn.errors import ArtifactError, ConfigError, import_extra
from textcnn.folder.card import model_card
from textcnn.folder.config_json import read_config, read_json
from textcnn.folder.model_folder import CARD, CONFIG, FILES, OPTIONAL_FILES, TRAINING

PREFIX = "hf://"
TOKEN = "HF_TOKEN"
_PATHS = ("name", "vectors", "tokenizer", "start_from")  # keys of config.json and training.json that may hold paths
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_ID_AT = re.compile(rf"({_ID.pattern})(?:@(\S+))?")


def model_folder(name: str | Path) -> Path:
    """Return a local folder: ``name`` itself, or, for ``hf://owner/name[@revision]``, the downloaded model's folder.

    Raises:
        ArtifactError: the model cannot be downloaded.
        ConfigError: ``hf://`` is not followed by ``owner/name`` or ``owner/name@revision``.
    """
    if not str(name).startswith(PREFIX):
        return Path(name)
    match = _ID_AT.fullmatch(str(name).removeprefix(PREFIX))
    if match is None:
        raise ConfigError(f"expected hf://owner/name or hf://owner/name@revision, found {str(name)!r}")
    return fetch(match[1], match[2])


def pretrained_folder(name: str | Path, revision: str | None = None) -> Path:
    """Return a local folder as :func:`model_folder` does, taking ``owner/name`` for a hub id if no such path exists."""
    if not str(name).startswith(PREFIX) and not Path(name).exists() and _ID.fullmatch(str(name)):
        return fetch(str(name), revision)
    if revision is not None:
        raise ConfigError(f"a revision is of a model owner/name of the hub, got {str(name)!r} and {revision!r}")
    return model_folder(name)


def fetch(repo_id: str, revision: str | None = None) -> Path:
    """Download the files of a model and return their folder; offline, the folder comes from the hub's local cache.

    Args:
        repo_id: ``owner/name``.
        revision: branch, tag or commit; none: the newest commit.

    Raises:
        ArtifactError: there is no such model, or neither the hub nor the cache can provide it.
        MissingExtraError: huggingface_hub is not installed.
    """
    hub = import_extra("huggingface_hub", extra="hub", feature="a model of the hub")
    try:
        found = hub.snapshot_download(
            repo_id, revision=revision, allow_patterns=[*FILES, *OPTIONAL_FILES], token=_token() or False
        )
    except Exception as err:  # the hub client and its HTTP library have no common error
        raise ArtifactError(
            f"expected the model {repo_id!r} on the Hugging Face hub, found: {_reason(err)}; this needs the network, "
            f"or the model in the cache from an earlier run, and for a private one a token in the variable {TOKEN}"
        ) from err
    return Path(found)


def push(folder: str | Path, repo_id: str, *, private: bool = True, message: str | None = None) -> str:
    """Upload a model folder to the hub as one commit, without the absolute paths of this machine.

    Args:
        folder: a model folder written by ``train``.
        repo_id: ``owner/name``; the repository is created if it does not exist.
        private: whether a repository that is created is private; an existing one keeps its visibility.
        message: the commit message.

    Returns:
        The address of the repository's page.

    Raises:
        ArtifactError: the folder is not a complete model, or the hub refuses it.
        ConfigError: the environment has no token, or ``repo_id`` is not ``owner/name``.
        MissingExtraError: huggingface_hub is not installed.
    """
    folder = Path(folder)
    if not _ID.fullmatch(repo_id):
        raise ConfigError(f"expected owner/name, the place on the hub, found {repo_id!r}")
    read_config(folder)  # raises for an incomplete model before anything is sent
    hub = import_extra("huggingface_hub", extra="hub", feature="pushing to the hub")
    token = _token()
    if token is None:
        raise ConfigError(f"pushing to the hub needs a token that may write; put it into the variable {TOKEN}")
    api = hub.HfApi(token=token)
    try:
        page = str(api.create_repo(repo_id, private=private, exist_ok=True))
        # Optional files of an earlier model would not fit the new one: delete those that it does not replace.
        old = {name for name in api.list_repo_files(repo_id) if name in OPTIONAL_FILES}
        contents = _contents(folder, repo_id)
        changes = [hub.CommitOperationAdd(name, content) for name, content in contents.items()]
        changes += [hub.CommitOperationDelete(name) for name in sorted(old - contents.keys())]
        api.create_commit(repo_id, changes, commit_message=message or "A textcnn model")
    except Exception as err:
        raise ArtifactError(
            f"the hub did not take {str(folder)!r} as {repo_id!r}: {_reason(err)}; check the name, and that the token "
            f"in {TOKEN} may write there"
        ) from err
    return page


def _contents(folder: Path, repo_id: str) -> dict[str, Any]:
    """Return what to upload by file name: files as they are, JSON without absolute paths, and a card for the hub."""
    saved, training = (_without_folders(read_json(folder / name)) for name in (CONFIG, TRAINING))
    found: dict[str, Any] = {
        name: str(folder / name) for name in (*FILES, *OPTIONAL_FILES) if (folder / name).is_file()
    }
    documents = {name: json.dumps(one, ensure_ascii=False, indent=2) + "\n" for name, one in
                 ((CONFIG, saved), (TRAINING, training))}  # fmt: skip
    documents[CARD] = model_card(saved, training, place=f"{PREFIX}{repo_id}")
    return found | {name: text.encode("utf-8", "backslashreplace") for name, text in documents.items()}


def _without_folders(value: Any, key: str = "") -> Any:
    """Return the document with absolute paths cut to the name of the file."""
    if isinstance(value, dict):
        return {name: _without_folders(one, name) for name, one in value.items()}
    if isinstance(value, str) and key in _PATHS and os.path.isabs(value):
        return PurePath(value).name
    return value


def _token() -> str | None:
    """Return the token of the environment variable; one that a login stored on this machine is not used."""
    return os.environ.get(TOKEN, "").strip() or None


def _reason(err: Exception) -> str:
    return next((line for line in map(str.strip, str(err).splitlines()) if line), type(err).__name__)
