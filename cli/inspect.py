"""Implements `textcnn inspect`, which shows the layers of a model or an architecture and their cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textcnn.atomic import write_text
from textcnn.config_types import SPARSE
from textcnn.errors import ConfigError
from textcnn_cli import console, options

if TYPE_CHECKING:
    from textcnn.label_tree import LabelTree
    from textcnn.models.summary.layers import LayerTable
    from textcnn.prediction.artifact import Artifact

    Inspected = tuple[LayerTable, dict[str, Any]]

Shape = tuple[int, int, int]
Sizes = tuple[int, ...]

LENGTH = 50  # default number of tokens, unless the model's limit is smaller
NUM_TYPES, NUM_LABELS = 10_000, 2  # vocabulary size and labels assumed for an architecture, which has none
GUARANTEES = {
    "text": ["the answer does not depend on batch mates, padding or order (probabilities within 1e-5)"],
    "image": ["the answer does not depend on batch mates or order (probabilities within 1e-5)"],
}
# Null if a target has no such fact: an architecture has no label names, an image model no vocabulary.
FACTS = ("artifact", "architecture", "modality", "input", "num_labels", "vocabulary_size")
FACTS_OF_MODELS = ("problem_type", "temperature", "weights", "max_length", "guarantees", "tree")
MOST_NODES = 60  # nodes of a tree of labels that are printed


def inspect(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL|ARCHITECTURE|LAYERS",
            help="model folder, architecture (see --list), or layers such as 'conv 64@3x3 same, max 2x2'",
        ),
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option("--input-shape", metavar="CxHxW", help="shape of the input images, e.g. 3x256x256")
    ] = None,
    length: Annotated[
        int | None,
        typer.Option("--length", min=1, help=f"number of tokens of the text; default: {LENGTH}, or the model's limit"),
    ] = None,
    list: Annotated[
        str | None, typer.Option("--list", metavar="text|image", help="only list the architectures, one per line")
    ] = None,
    set: options.Set = None,
    draw: Annotated[
        Path | None,
        typer.Option("--draw", metavar="FILE.svg", help="draw the receptive field of a unit into this file"),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit", metavar="LAYER", help="layer whose unit is drawn; default: the last with the largest field"
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show each layer: output shape (computed and measured), receptive field, parameters, multiply-adds, time.

    Example: textcnn inspect kim --length 20 --set num_filters=50 --draw kim.svg
    """
    from textcnn.models.registry import MODALITIES

    if list is not None:
        if list not in MODALITIES:
            raise ConfigError(f"--list expects {' or '.join(MODALITIES)}, got {list!r}")
        console.write_json([*MODALITIES[list]]) if json else print(*MODALITIES[list], sep="\n")
        return
    from textcnn.models.summary.trace import is_written

    if target is not None and target.startswith("hf://"):
        target = str(options.fetched(target))
    if draw is not None:
        _check_drawing(draw)
    sizes = None if input_shape is None else _parsed(input_shape)
    modality = next((name for name, table in MODALITIES.items() if target in table), None)
    if target is not None and is_written(target):
        table, document = _of_layers(target, sizes, length, set)
    elif target is not None and modality is not None:
        table, document = _of_architecture(target, modality, _image(sizes), length, set)
    elif target is not None and Path(target).exists():
        table, document = _of_model(target, _image(sizes), length, set)
    else:
        names = ", ".join(name for table in MODALITIES.values() for name in table)
        found = "none" if target is None else repr(target)
        raise ConfigError(f"expected a model folder, an architecture ({names}) or layers, got {found}")
    if draw is not None:
        _draw(draw, table, document, unit)
    render(document, json)


def _check_drawing(path: Path) -> None:
    if path.suffix.lower() != ".svg" or path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"--draw writes a file NAME.svg into a folder that is there, got {str(path)!r}")


def _draw(path: Path, table: LayerTable, document: dict[str, Any], unit: str | None) -> None:
    from textcnn.models.summary import drawing

    shape = document["input"].get("shape")
    image = None if shape is None or len(shape) != 3 else (shape[1], shape[2])
    layers = drawing.path_to(table.layers, unit)
    places = "tokens" if document["modality"] == "text" else "pixels of a side"
    title = f"What one unit of {layers[-1].name} sees: {document['architecture']}"
    write_text(path, drawing.draw(layers, title=title, unit=places, image=image))
    console.say(f"wrote {path}")


def render(document: dict[str, Any], json: bool) -> None:
    """Print an inspection as one JSON document, or as tables and lines that fit a terminal of 80 columns."""
    if json:
        console.write_json(document)
        return
    is_text = document["modality"] == "text"
    print(_title(document))
    columns = ["layer", "kind", "output", "as run", "sees", "stride"]
    console.write_table(columns, [_shape_row(layer) for layer in document["layers"]])
    unit = "tokens" if is_text else "pixels of a side"
    print(f"output: by the formula; sees: receptive field, stride: from value to value, both in {unit}")
    for problem in document["problems"]:
        print(f"warning: {problem}")
    if not document["problems"]:
        print("formula and run agree in every layer")
    costs = [*document["layers"], {"name": "total", "time_share": None, **document}]
    rows = [
        [entry["name"], f"{entry['parameters']:,}", f"{entry['multiply_adds']:,}", _percent(entry["time_share"])]
        for entry in costs
    ]
    console.write_table(["layer", "parameters", f"multiply-adds of one {document['modality']}", "time"], rows)
    print(f"a pass of one {document['modality']} took {document['milliseconds']:.2f} ms here; time: shares of it")
    if document["artifact"] is not None:
        for name in FACTS_OF_MODELS[: 4 if is_text else 2]:
            print(f"{name}: {_fact(document[name])}")
        for guarantee in document["guarantees"]:
            print(f"guaranteed: {guarantee}")
    if document["tree"] is not None:
        _show_tree(document["tree"])


def _show_tree(nodes: Sequence[Mapping[str, Any]]) -> None:
    """Print the tree of labels, each node indented below the one above it."""
    print("tree of labels:")
    for node in nodes[:MOST_NODES]:
        print(f"{'  ' * node['level']}{node['label']}" + (" (no label)" if not node["is_label"] else ""))
    if len(nodes) > MOST_NODES:
        print(f"  and {len(nodes) - MOST_NODES:,} more; --json has all")


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {weight:.4g}" for name, weight in value.items())
    return "none" if value is None else str(value)


def _of_architecture(
    name: str, modality: str, shape: Shape | None, length: int | None, assignments: list[str] | None
) -> Inspected:
    _check_input(name, modality, shape, length)
    if modality == "image" and shape is None:
        raise ConfigError(f"{name!r} classifies images and needs their shape; give it, e.g. --input-shape 3x256x256")
    if Path(name).is_dir():
        console.say(f"note: {name!r} is taken as the architecture; for the folder of that name say ./{name}")
    settings = options.merge_settings(None, assignments, {"architecture": name})
    from textcnn.config import Config
    from textcnn.labels import Labels
    from textcnn.models import base
    from textcnn.models.summary import layers

    config = Config.from_flat({"vocabulary_size": NUM_TYPES, **settings})
    labels = Labels(tuple(map(str, range(NUM_LABELS))))
    facts = {"architecture": name, "modality": modality, "num_labels": NUM_LABELS}
    if shape is not None:
        images = base.build_image_classifier(config.model, shape, labels)
        return _inspected(layers.image_layers(images, shape), **facts, input={"shape": [*shape]})
    tokens, num_types = length or LENGTH, config.text.vocabulary_size
    texts = base.build_text_classifier(config.model, num_types, labels)
    table = layers.text_layers(texts, tokens)
    return _inspected(table, **facts, input={"length": tokens}, vocabulary_size=num_types)


def _of_model(folder: str, shape: Shape | None, length: int | None, assignments: list[str] | None) -> Inspected:
    if assignments:
        raise ConfigError(f"--set is for architectures, and the settings of {folder!r} are fixed; leave it out")
    from textcnn.models import base
    from textcnn.models.summary import layers
    from textcnn.prediction.artifact import load_artifact

    artifact = load_artifact(folder)
    _check_input(folder, artifact.modality, shape, length)
    facts = {
        "artifact": folder,
        "architecture": artifact.config.architecture,
        "modality": artifact.modality,
        "num_labels": len(artifact.labels),
        "problem_type": artifact.labels.problem_type,
        "temperature": artifact.temperature,
        "weights": artifact.branch_weights,
        "guarantees": GUARANTEES[artifact.modality],
        "tree": _nodes(artifact.labels.tree),
    }
    if artifact.config.wide == SPARSE:  # weights of words are no layer
        artifact = _network_alone(artifact)
    if isinstance(artifact.model, base.ImageClassifier):
        own = artifact.image_inputs().shape
        if shape is not None and shape != own:
            raise ConfigError(f"{folder!r} takes images of {_by(own)}, got --input-shape {_by(shape)}; leave it out")
        return _inspected(layers.image_layers(artifact.model, own), **facts, input={"shape": [*own]})
    assert isinstance(artifact.model, base.TextClassifier)
    inputs = artifact.text_inputs()
    if length is not None and inputs.max_length is not None and length > inputs.max_length:
        raise ConfigError(f"{folder!r} reads {inputs.max_length} tokens of a text, got --length {length}; take fewer")
    tokens = length or min(LENGTH, inputs.max_length or LENGTH)
    table = layers.text_layers(artifact.model, tokens)
    own_facts = {"max_length": inputs.max_length, "vocabulary_size": len(inputs.tokenizer)}
    return _inspected(table, **facts, **own_facts, input={"length": tokens})


def _nodes(tree: LabelTree | None) -> list[dict[str, Any]] | None:
    if tree is None:
        return None
    rows = zip(tree.nodes, tree.levels.tolist(), (tree.columns >= 0).tolist(), strict=True)
    return [{"label": name, "level": level, "is_label": is_label} for name, level, is_label in rows if level]


def _network_alone(artifact: Artifact) -> Artifact:
    """Return a model with a sparse n-gram branch without that branch."""
    config, inputs = replace(artifact.config, wide=False), replace(artifact.text_inputs(), wide=None)
    weights = {name: value for name, value in artifact.weights.items() if not name.startswith("wide.")}
    return replace(artifact, network=weights, config=config, inputs=inputs)


def _of_layers(written: str, sizes: Sizes | None, length: int | None, assignments: list[str] | None) -> Inspected:
    if assignments or length is not None:
        raise ConfigError(f"layers take --input-shape alone, got --length or --set with {written!r}; leave it out")
    if sizes is None:
        raise ConfigError("layers need the shape of their input; give it, e.g. --input-shape 3x256x256, or 100x50")
    from textcnn.models.summary.layers import block_layers
    from textcnn.models.summary.trace import written_layers

    table = block_layers(written_layers(written, sizes[0], len(sizes) - 1), sizes)
    modality = "image" if len(sizes) == 3 else "text"
    return _inspected(table, architecture=written, modality=modality, input={"shape": [*sizes]})


def _inspected(table: LayerTable, **facts: Any) -> Inspected:
    return table, {**{name: facts.get(name) for name in (*FACTS, *FACTS_OF_MODELS)}, **table.to_dict()}


def _check_input(target: str, modality: str, shape: Shape | None, length: int | None) -> None:
    if modality == "text" and shape is not None:
        raise ConfigError(f"{target!r} classifies texts: expected --length, got --input-shape {_by(shape)}")
    if modality == "image" and length is not None:
        raise ConfigError(f"{target!r} classifies images: expected --input-shape, got --length {length}")


def _parsed(shape: str) -> Sizes:
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){1,2}", shape, re.ASCII):
        raise ConfigError(f"--input-shape expects channels x height x width, e.g. 3x256x256, got {shape!r}")
    return tuple(map(int, shape.split("x")))


def _image(sizes: Sizes | None) -> Shape | None:
    if sizes is None:
        return None
    if len(sizes) != 3:
        raise ConfigError(f"--input-shape expects channels x height x width, e.g. 3x256x256, got {_by(sizes)!r}")
    return sizes[0], sizes[1], sizes[2]


def _title(document: dict[str, Any]) -> str:
    given = document["input"]
    if document["num_labels"] is None:
        return f"{document['architecture']} on {_shape(given['shape'])}"
    if document["modality"] == "text":
        size, vocabulary = f"a text of {given['length']:,} tokens", f", {document['vocabulary_size']:,} types"
    else:
        size, vocabulary = f"an image of {_by(given['shape'])}", ""
    name = document["artifact"] or "architecture"
    return f"{name}: {document['architecture']} on {size}{vocabulary}, {document['num_labels']:,} labels"


def _shape_row(layer: dict[str, Any]) -> list[str]:
    sees, stride = layer["receptive_field"], layer["stride"]
    whole = "-" if layer["output"] is None else "all"
    return [
        layer["name"],
        layer["kind"],
        _shape(layer["output"]),
        _shape(layer["output_as_run"]),
        whole if sees is None else f"{sees:,}",
        "-" if stride is None else f"{stride:,}",
    ]


def _shape(shape: Any) -> str:
    return "-" if shape is None else f"({','.join(map(str, shape))})"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _by(shape: Any) -> str:
    return "-" if shape is None else "x".join(map(str, shape))
