"""Filtering corpora against fastText, and columns of engines against lists: `python -m benchmarks.filter --help`."""

from __future__ import annotations

from benchmarks.filter_parts import PARTS
from benchmarks.runner import Benchmark, main

FILTER = Benchmark("filter", __doc__, PARTS)

if __name__ == "__main__":
    main(FILTER)
