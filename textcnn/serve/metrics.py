"""Keeps counters in memory shared by all workers, and renders them for Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product

PATHS = ("/classify", "/labels", "/health", "/ready", "/metrics", "/", "other")
CLIENT_GONE = 499  # not an HTTP status: the client disconnected before the response
STATUSES = (200, 206, 304, 307, 400, 401, 404, 405, 408, 409, 413, 415, 416, 422, 429, 431, 499, 500, 501, 503, 504)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

_HELP = {
    "textcnn_requests_total": ("counter", "Requests by path and status."),
    "textcnn_texts_total": ("counter", "Texts that were classified, by model."),
    "textcnn_reloads_total": ("counter", "Reloads of the models, by outcome."),
    "textcnn_requests_in_progress": ("gauge", "Requests to classify that are not answered yet."),
    "textcnn_request_seconds": ("histogram", "Time to answer a request to classify."),
    "textcnn_batch_texts": ("histogram", "Texts that were answered together."),
}


class Metrics:
    """The counters of all workers in one block of shared memory, in which each worker writes only its own row.

    Args:
        models: the names of the models.
        workers: the number of workers, each with one row.
    """

    def __init__(self, models: Sequence[str], workers: int = 1) -> None:
        names = [_series("textcnn_requests_total", path=path, status=str(s)) for path, s in product(PATHS, STATUSES)]
        names += [_series("textcnn_texts_total", model=name) for name in models]
        names += [_series("textcnn_reloads_total", outcome=outcome) for outcome in ("done", "failed")]
        names.append("textcnn_requests_in_progress")
        for name, bounds in (("textcnn_request_seconds", SECONDS), ("textcnn_batch_texts", TEXTS)):
            names += [_series(f"{name}_bucket", le=str(bound)) for bound in (*bounds, "+Inf")]
            names += [f"{name}_sum", f"{name}_count"]
        self._places = {name: number for number, name in enumerate(names)}
        # Anonymous shared memory is inherited by forked workers.
        self._numbers = memoryview(mmap.mmap(-1, 8 * len(names) * workers)).cast("d")
        self._workers, self._start = workers, 0

    def take_row(self, worker: int) -> None:
        """Write to the row of that worker from now on, and reset what a worker that died left in progress there."""
        self._start = worker * len(self._places)
        self._numbers[self._start + self._places["textcnn_requests_in_progress"]] = 0.0

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter or gauge."""
        self._numbers[self._start + self._places[_series(name, **labels)]] += amount

    def count_request(self, path: str, status: int) -> None:
        """Count a request; paths without a route count as ``other``."""
        known = path if path in PATHS else "other"
        self.add("textcnn_requests_total", path=known, status=str(status if status in STATUSES else 500))

    def observe(self, name: str, value: float) -> None:
        """Add a value to a histogram."""
        bounds = SECONDS if name == "textcnn_request_seconds" else TEXTS
        bound = next((str(bound) for bound in bounds if value <= bound), "+Inf")
        self.add(f"{name}_bucket", le=bound)  # buckets are cumulated when they are rendered
        self.add(f"{name}_sum", value)
        self.add(f"{name}_count")

    def value(self, name: str, **labels: str) -> float:
        """Return the value of a counter or gauge, summed over all workers."""
        place, step = self._places[_series(name, **labels)], len(self._places)
        return float(sum(self._numbers[place + worker * step] for worker in range(self._workers)))

    def render(self) -> str:
        """Render all metrics as Prometheus text, without statuses that never occurred."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        step, said, running = len(self._places), "", 0.0
        for name, place in self._places.items():
            value = sum(self._numbers[place + worker * step] for worker in range(self._workers))
            family = name.partition("{")[0]
            if family not in _HELP:
                family = family.rpartition("_")[0]
            if family != said:
                kind, text = _HELP[family]
                yield f"# HELP {family} {text}"
                yield f"# TYPE {family} {kind}"
                said, running = family, 0.0
            if "_bucket{" in name:
                running += value
                value = running
            elif family == "textcnn_requests_total" and not value:
                continue
            yield f"{name} {value:.9g}" if value % 1 else f"{name} {value:.0f}"


@cache  # the same few names are built for every request
@cache  # a request counts in seven series
def _series(name: str, **labels: str) -> str:
    if not labels:
        return name
    inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{name}{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
