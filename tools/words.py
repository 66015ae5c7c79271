"""Count words of this project's own dialect that its code, its commands and README.md are to lose.

    python tools/words.py

Names count like prose. ``beside`` and ``behind`` may stay where they mean places in space; the target of
``tests/test_words.py`` has room for those.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = ("textcnn", "cli", "README.md")
SUFFIXES = {".py", ".c", ".h"}
GAP = r"[\s#*]+"  # Phrases may run on in the next line of a comment.
WORDS = {
    "anew": "anew",
    "mend": "mend(?:ed|s|ing)?",
    "of our own hand": f"of{GAP}our{GAP}own{GAP}hand",
    "is told": f"is{GAP}told",
    "are told": f"are{GAP}told",
    "held": rf"held(?!(?:[-_]|{GAP})out)",  # Held-out data are called so everywhere.
    "beside": "beside",
    "behind": "behind",
}
PATTERNS = {word: re.compile(rf"(?<![a-z])(?:{form})(?![a-z])", re.IGNORECASE) for word, form in WORDS.items()}


def counts_by_file() -> dict[str, Counter[str]]:
    """Counts of every word by the path of each file that has one, relative to the root of the repository."""
    found = {}
    for place in PLACES:
        top = ROOT / place
        for path in sorted(path for path in top.rglob("*") if path.suffix in SUFFIXES) if top.is_dir() else [top]:
            text = path.read_text(encoding="utf-8")
            counts = Counter({word: len(pattern.findall(text)) for word, pattern in PATTERNS.items()})
            if counts.total():
                found[path.relative_to(ROOT).as_posix()] = +counts
    return found


def main() -> None:
    """Print the counts by file, those by word and the total; arguments are beginnings of the paths to show."""
    shown = {path: counts for path, counts in counts_by_file().items() if path.startswith(tuple(sys.argv[1:] or [""]))}
    for path, counts in shown.items():
        print(f"{counts.total():5}  {path}: " + ", ".join(f"{word} {count}" for word, count in counts.items()))
    print()
    total = sum(shown.values(), Counter[str]())
    for word, count in total.most_common():
        print(f"{count:5}  {word}")
    print(f"{total.total():5}  in all")


if __name__ == "__main__":
    main()
