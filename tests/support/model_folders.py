"""What tests do to the files of a model folder."""

import json


def edit(path, **changes):
    document = json.loads(path.read_text(encoding="utf-8"))
    document.update(changes)
    path.write_text(json.dumps({k: v for k, v in document.items() if v is not ...}), encoding="utf-8")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
