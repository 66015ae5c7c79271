"""Reads and validates the config.json of a model folder, and converts earlier format versions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from textcnn.atomic import previous_folder
from textcnn.config import Config, ModelConfig
from textcnn.errors import ArtifactError, ConfigError, DataError
from textcnn.folder.model_folder import CONFIG, TIMING, TOKENIZER, TRAINING, WEIGHTS
from textcnn.folder.tensors import STORAGES, unpacked
from textcnn.grades import Grades
from textcnn.label_tree import is_description
from textcnn.labels import MULTI_LABEL, REGRESSION, SINGLE_LABEL, Labels, Target
from textcnn.reading.schema import is_reading
from textcnn.reading.table import DEEPEST, is_deep, shown

FORMAT_VERSION = 4
READABLE = (1, 2, 3, FORMAT_VERSION)  # 3 was 2 with weights in smaller numbers (textcnn.folder.tensors)

# Defaults of text models of versions 1 to 3; version 4 changed them, so an old folder that omits a value means these.
_EARLIER_DIM = 100
_EARLIER_KIM = {"nested": False, "num_filters": 100}

# Keys that folders of version 1 lack if they were written before pretrained vectors, or int8 scales, existed.
_ADDED = {"vectors": None, "keep_vectors": None, "embedding_channels": "fine-tuned", "scales": None}
_BIAS, _WIDE_BIAS = "head.bias", "wide.bias"


def config_of_today(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return config.json in the current format, with the defaults of its own version filled in.

    Versions 1 to 3 had other defaults of the embedding size and the filters; in version 1 ``wide_scale`` was the same
    for multi-label as for single-label models. In every version, a missing ``blinded`` means that no word is blinded,
    a missing ``ngrams_per_token`` that a token keeps all its n-grams, and a missing ``hierarchy`` no tree.
    """
    absent: dict[str, Any] = {
        "blinded": [],
        "storage": "float32",
        "reading": None,
        "ngrams_per_token": None,
        "character_scale": None,
        "vector_words": None,
        "hierarchy": None,
    }
    config = {**absent, **saved}
    if saved["format_version"] < 4 and config.get("modality") == "text":
        if config.get("embedding_dim", 0) is None:
            config["embedding_dim"] = _EARLIER_DIM
        if config.get("architecture") == "kim" and isinstance(config.get("settings"), dict):
            config["settings"] = {**_EARLIER_KIM, **config["settings"]}
    if saved["format_version"] != 1:
        return config
    config = {**_ADDED, **config}
    if config.get("problem_type") == MULTI_LABEL and config.get("wide_scale", 0) is None:
        config["wide_scale"] = 1.0 if config["vectors"] is None else 0.5
    return config


def weights_of_today(weights: Mapping[str, Any], saved: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the tensors (numpy or torch) by name in the current format, in float32 whatever their storage type.

    In version 1 the wide branch of a multi-label model had a bias of its own. It is added to the head's bias,
    multiplied by ``wide_scale``, so the logits are unchanged up to rounding.

    Raises:
        ArtifactError: the bias of the wide branch is absent, or its shape differs from that of the head's bias.
    """
    today = unpacked(weights, path)
    wide = "wide.keys" in today and _BIAS in today  # a missing head bias is reported by whoever reads the tensors next
    if saved["format_version"] == 1 and saved["problem_type"] == MULTI_LABEL and wide:
        shape = tuple(today[_BIAS].shape)
        bias = today.pop(_WIDE_BIAS, None)
        if bias is None or tuple(bias.shape) != shape:
            found = "none" if bias is None else f"{tuple(bias.shape)}"
            raise ArtifactError(f"{path}: expected a tensor {_WIDE_BIAS!r} of shape {shape}, found {found}")
        today[_BIAS] = today[_BIAS] + saved["wide_scale"] * bias
    return today


def read_config(folder: str | Path) -> dict[str, Any]:
    """Read config.json of a model folder, and check the folder, its files, the version and every value.

    Values that an earlier version left open get that version's defaults; ``format_version`` stays as it is stored.

    Raises:
        ArtifactError: there is no such folder, files are missing, the format version is unknown, or a value of
            config.json is invalid.
    """
    folder = Path(folder)
    if not folder.is_dir():
        previous = previous_folder(folder)
        rescue = f"; an interrupted save left the previous model in {str(previous)!r}" if previous.is_dir() else ""
        raise ArtifactError(f"expected a model folder at {str(folder)!r}, found none{rescue}")
    wanted = [CONFIG, WEIGHTS, TRAINING, TIMING]
    saved = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if saved.get("modality", "text") == "text":
        wanted.append(TOKENIZER)
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        raise ArtifactError(f"{folder}: the model folder lacks {', '.join(missing)}; it holds {found}")
    version = saved.get("format_version")
    if type(version) is not int or version not in READABLE:  # True == 1 would pass a test by `in` alone
        raise ArtifactError(
            f"{folder / CONFIG}: expected format_version {_either(READABLE)}, found {version!r}; "
            f"use the textcnn that wrote it, or train again"
        )
    saved = config_of_today(saved)
    _check_config(folder / CONFIG, saved)
    return saved


def _either(versions: tuple[int, ...]) -> str:
    *others, last = map(str, versions)
    return f"{', '.join(others)} or {last}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        ArtifactError: the file holds something other than a JSON object, or is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise ArtifactError(f"{path}: expected a JSON object, but the file is damaged: {err}") from err
    if not isinstance(found, dict):
        raise ArtifactError(f"{path}: expected a JSON object, found {type(found).__name__}")
    if is_deep(found):
        raise ArtifactError(f"{path}: expected values nested at most {DEEPEST} deep, found deeper ones")
    return found


def _is_number(value: Any) -> bool:
    """Whether the value is a number in the range of a float; integers in JSON have no limit of size."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_list(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


_LONGEST = 300  # characters of one problem in an error message
_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "modality": ("text", "image").__contains__,
    "labels": lambda value: _is_list(lambda name: isinstance(name, str))(value) and 0 < len(value) == len(set(value)),
    "problem_type": (SINGLE_LABEL, MULTI_LABEL, REGRESSION).__contains__,
    "thresholds": _is_list(_is_number),
    "temperature": lambda value: _is_number(value) and value > 0,
    "storage": STORAGES.__contains__,
    "scales": lambda value: value is None or _is_list(lambda step: _is_number(step) and step >= 0)(value),
    "reading": is_reading,
    "blinded": _is_list(lambda phrase: isinstance(phrase, str) and bool(phrase.strip())),
    "hierarchy": lambda value: value is None or is_description(value),
}
_IMAGE_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "shape": lambda value: _is_list(lambda size: type(size) is int and size > 0)(value) and len(value) == 3,
    "mean": _is_list(_is_number),
    "std": _is_list(lambda value: _is_number(value) and value > 0),
}


def _are_targets(saved: Mapping[str, Any]) -> bool:
    """Return whether the targets are those of every label in regression, and there are none otherwise."""
    targets, count = saved.get("targets", []), len(saved["labels"]) if saved["problem_type"] == REGRESSION else 0
    if not isinstance(targets, list) or len(targets) != count or not _are_grades(saved.get("grades"), count):
        return False
    names = {entry.name for entry in fields(Target)}
    return all(
        isinstance(one, dict) and one.keys() == names and all(map(_is_number, one.values())) and one["std"] > 0
        for one in targets
    )


def _are_grades(grades: Any, num_targets: int) -> bool:
    """Return whether there are no grades, or those of one target."""
    if grades is None:
        return True
    if num_targets != 1 or not isinstance(grades, dict) or grades.keys() != {entry.name for entry in fields(Grades)}:
        return False
    names, values, slope, cuts = grades["names"], grades["values"], grades["slope"], grades["cuts"]
    lists = _is_list(lambda name: isinstance(name, str))(names) and _is_list(_is_number)([*values, slope, *cuts])
    return lists and len(names) == len(set(names)) == len(values) == len(cuts) + 1 >= 2 and slope > 0


def _check_config(path: Path, saved: dict[str, Any]) -> None:
    checks = {**_CHECKS, **(_IMAGE_CHECKS if saved.get("modality") == "image" else {})}
    settings = [*asdict(ModelConfig()), *(["max_length"] if saved.get("modality") == "text" else [])]
    problems = [f"{name} is absent" for name in (*checks, *settings) if name not in saved]
    problems += [f"{n} is {shown(saved[n])}" for n, check in checks.items() if n in saved and not check(saved[n])]
    try:
        Config.from_flat({name: saved[name] for name in settings if name in saved})
    except ConfigError as err:
        problems += [problem if len(problem) <= _LONGEST else f"{problem[:_LONGEST]}..." for problem in err.problems]
    of_numbers = saved.get("problem_type") == REGRESSION or "targets" in saved or "grades" in saved
    if not problems and of_numbers and not _are_targets(saved):
        found = f"targets {shown(saved.get('targets'))} and grades {shown(saved.get('grades'))}"
        problems.append(f"problem_type is {saved['problem_type']} with {found}")
    if not problems and len(saved["thresholds"]) != len(saved["labels"]):
        problems.append(f"{len(saved['thresholds'])} thresholds for {len(saved['labels'])} labels")
    if not problems and saved["modality"] == "image" and {len(saved["mean"]), len(saved["std"])} != {saved["shape"][0]}:
        problems.append(f"mean and std have {len(saved['mean'])} and {len(saved['std'])} entries for {saved['shape']}")
    if not problems:
        try:
            Labels.of(saved)
        except DataError as err:
            problems.append(f"hierarchy does not fit the labels: {err}")
    if problems:
        raise ArtifactError(f"{path}: damaged or written by something else: {'; '.join(problems)}")
