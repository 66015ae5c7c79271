"""The number of cores, for those who ask for it by this name; it is :mod:`textcnn.core.threads` that knows."""

from __future__ import annotations

from textcnn.core.threads import num_cores as num_cores
