"""Do harm on purpose, round after round, and count what is lost: ``python -m tools.robustness.faults.run``.

Each round kills, fills, damages or races processes of the command line at a random moment; the exit code is 1 if a row,
an artifact or a promise was lost.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.robustness.faults import classifying, serving, training
from tools.robustness.faults.rig import Loss, Rig

COMMAND = "python -m tools.robustness.faults.run"
Fault = Callable[[Rig, Path], None]
FAULTS: Mapping[str, Fault] = {
    f"{module.__name__.rpartition('.')[2]}: {name.replace('_', ' ')}": getattr(module, name)
    for module, names in (
        (training, ("killed", "signalled", "filled", "damaged", "raced")),
        (classifying, ("killed", "signalled", "worker_killed", "filled", "damaged", "raced")),
        (serving, ("worker_killed", "damaged", "replaced")),
    )
    for name in names
}


def do_harm(rounds: int, seed: int, only: str) -> dict[str, Any]:
    """Counts for each kind of fault, and what was lost, in words."""
    chosen = {name: fault for name, fault in FAULTS.items() if only in name}
    counts = {name: {"rounds": 0, "lost": 0} for name in chosen}
    losses: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        rig = Rig(Path(folder), seed)
        for number in range(rounds):
            name = list(chosen)[number % len(chosen)]
            place = Path(folder) / f"round{number}"
            place.mkdir()
            counts[name]["rounds"] += 1
            try:
                chosen[name](rig, place)
            except Loss as loss:
                counts[name]["lost"] += 1
                losses.append(f"round {number}, {name}: {loss}")
                print(losses[-1], file=sys.stderr)
            shutil.rmtree(place, ignore_errors=True)
            print(f"{number + 1:>4} {time.monotonic() - began:6.0f} s  {name}", flush=True)
    return {
        "benchmark": "faults",
        "command": COMMAND,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "seed": seed,
        "rounds": rounds,
        "seconds": round(time.monotonic() - began, 1),
        "texts_a_round": rig.num_texts,
        "faults": counts,
        "lost": losses,
    }


def to_markdown(document: Mapping[str, Any]) -> str:
    """A line for each kind of fault."""
    lines = [
        f"{document['rounds']} rounds with seed {document['seed']} in {document['seconds']:,.0f} s; made by "
        f"`{document['command']}`. Lost: {len(document['lost'])}.",
        "",
        "| fault | rounds | lost |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {count['rounds']} | {count['lost']} |" for name, count in document["faults"].items()),
        *(["", *(f"- {loss}" for loss in document["lost"])] if document["lost"] else []),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """As many rounds as asked for, all kinds in turn."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="part of the name of a kind")
    parser.add_argument("--output", type=Path, help="JSON file; a table is written beside it")
    options = parser.parse_args()
    document = do_harm(options.rounds, options.seed, options.only)
    if options.output is not None:
        options.output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        options.output.with_suffix(".md").write_text(to_markdown(document), encoding="utf-8")
    print(to_markdown(document), end="")
    return 1 if document["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
