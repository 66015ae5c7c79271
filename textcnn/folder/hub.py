"""Models of the Hugging Face hub: fetched into its cache, and pushed there; a token is of the environment alone."""

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
_PATHS = ("name", "vectors", "tokenizer", "start_from")  # what may be a path in config.json and training.json
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_ID_AT = re.compile(rf"({_ID.pattern})(?:@(\S+))?")


def model_folder(name: str | Path) -> Path:
    """The folder ``name``, or that of the model ``hf://owner/name`` or ``hf://owner/name@revision``, which is fetched.

    Raises:
        ArtifactError: the model cannot be fetched.
        ConfigError: behind ``hf://`` there is something else.
    """
    if not str(name).startswith(PREFIX):
        return Path(name)
    match = _ID_AT.fullmatch(str(name).removeprefix(PREFIX))
    if match is None:
        raise ConfigError(f"expected hf://owner/name or hf://owner/name@revision, found {str(name)!r}")
    return fetch(match[1], match[2])


def pretrained_folder(name: str | Path, revision: str | None = None) -> Path:
    """As :func:`model_folder`, where ``owner/name`` is of the hub too, unless there is such a folder."""
    if not str(name).startswith(PREFIX) and not Path(name).exists() and _ID.fullmatch(str(name)):
        return fetch(str(name), revision)
    if revision is not None:
        raise ConfigError(f"a revision is of a model owner/name of the hub, got {str(name)!r} and {revision!r}")
    return model_folder(name)


def fetch(repo_id: str, revision: str | None = None) -> Path:
    """The files of a model, from the hub, or from its cache if the hub cannot be reached.

    Args:
        repo_id: ``owner/name``.
        revision: branch, tag or commit; none: the newest.

    Raises:
        ArtifactError: there is no such model, or neither hub nor cache has it.
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
    """Put a model folder on the hub, as one commit; paths of this machine stay here.

    Args:
        folder: as ``train`` wrote it.
        repo_id: ``owner/name``; it is made if there is none.
        private: of one that is made; one that there is stays as it is.
        message: of the commit.

    Returns:
        The address of its page.

    Raises:
        ArtifactError: the folder is not a whole model, or the hub refuses.
        ConfigError: the environment has no token, or ``repo_id`` is of another form.
        MissingExtraError: huggingface_hub is not installed.
    """
    folder = Path(folder)
    if not _ID.fullmatch(repo_id):
        raise ConfigError(f"expected owner/name, the place on the hub, found {repo_id!r}")
    read_config(folder)
    hub = import_extra("huggingface_hub", extra="hub", feature="pushing to the hub")
    token = _token()
    if token is None:
        raise ConfigError(f"pushing to the hub needs a token that may write; put it into the variable {TOKEN}")
    api = hub.HfApi(token=token)
    try:
        page = str(api.create_repo(repo_id, private=private, exist_ok=True))
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
    """Files as they are, but documents without the folders of this machine, and a card that says how to get it."""
    saved, training = (_without_folders(read_json(folder / name)) for name in (CONFIG, TRAINING))
    found: dict[str, Any] = {
        name: str(folder / name) for name in (*FILES, *OPTIONAL_FILES) if (folder / name).is_file()
    }
    documents = {name: json.dumps(one, ensure_ascii=False, indent=2) + "\n" for name, one in
                 ((CONFIG, saved), (TRAINING, training))}  # fmt: skip
    documents[CARD] = model_card(saved, training, place=f"{PREFIX}{repo_id}")
    return found | {name: text.encode("utf-8", "backslashreplace") for name, text in documents.items()}


def _without_folders(value: Any, key: str = "") -> Any:
    """The document, with what names a file of this machine cut down to the name of the file."""
    if isinstance(value, dict):
        return {name: _without_folders(one, name) for name, one in value.items()}
    if isinstance(value, str) and key in _PATHS and os.path.isabs(value):
        return PurePath(value).name
    return value


def _token() -> str | None:
    """What the environment says; a token that a login has stored on this machine is not looked for."""
    return os.environ.get(TOKEN, "").strip() or None


def _reason(err: Exception) -> str:
    return next((line for line in map(str.strip, str(err).splitlines()) if line), type(err).__name__)
