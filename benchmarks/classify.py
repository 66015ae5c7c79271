"""Classifying files and sentences against fastText: `python -m benchmarks.classify --help`."""

from __future__ import annotations

from benchmarks.classify_parts import PARTS
from benchmarks.runner import Benchmark, main

CLASSIFY = Benchmark("classify", __doc__, PARTS)

if __name__ == "__main__":
    main(CLASSIFY)
