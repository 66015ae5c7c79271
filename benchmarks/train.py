"""Training against the first edition, fastText and plain PyTorch: `python -m benchmarks.train --help`."""

from __future__ import annotations

from benchmarks.runner import Benchmark, main
from benchmarks.train_parts import PARTS

TRAIN = Benchmark("train", __doc__, PARTS)

if __name__ == "__main__":
    main(TRAIN)
