"""The parts of the training benchmark: each measures what one floor of training is about."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks import steps
from benchmarks.editions import FIRST_COMMIT, ROOT, Edition, TrainingRun, install, installed
from benchmarks.fasttext_runs import SETTINGS, Fasttext
from benchmarks.train_result import Part, Row, spread

NEIGHBOUR = "while True: pass"  # one thread that is always busy
READ_ONLY_TEST = "tests/guarantees/test_read_only.py"
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What is measured with what.

    Attributes:
        data: the folder of the real data sets.
        folder: for models and files; it lasts no longer than the benchmark.
        ours: the installation that is measured.
        first: gives that of the first edition; building it may take minutes.
        repetitions: timed runs of each contestant.
        quick: TREC stands for every set, and one repetition is enough.
    """

    data: Path
    folder: Path
    ours: Edition
    first: Callable[[], Edition]
    repetitions: int = 3
    quick: bool = False

    def sets(self, *names: str) -> Sequence[str]:
        """The sets to measure."""
        return ("trec",) if self.quick else names

    def rows(self, name: str, split: str = "train") -> Path:
        """The file of a set; one that is not split has all its rows in one."""
        path = self.data / name / f"{split}.csv.gz"
        return path if path.exists() else self.data / name / "all.csv.gz"

    def train(self, name: str, *options: str, edition: Edition | None = None, calibrated: bool = False) -> TrainingRun:
        """One whole `textcnn train` on the training rows of a set, of one model unless it is ``calibrated``."""
        edition = edition or self.ours
        if not calibrated and edition.name != FIRST_COMMIT:  # which calibrates by dev rows alone
            options = (*options, "--calibrate", "none")
        return edition.train(self.rows(name), self.folder / "model", *options)

    def repeat(self, contestants: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
        """The results of all contestants in turn, every second repetition in the opposite order."""
        found: dict[str, list[T]] = {name: [] for name in contestants}
        for number in range(self.repetitions):
            for name in contestants if number % 2 == 0 else reversed(list(contestants)):
                found[name].append(contestants[name]())
        return found


def whole_training(plan: Plan) -> Part:
    """Whole trainings of this checkout and of the first edition; the first run of each is reported apart."""
    bounds = {"trec": (0.33, 0.2), "sst2": (0.28, 0.2), "imdb": (0.25, 0.15)}
    editions = {
        edition.name: edition.with_environment(NUMBA_CACHE_DIR=str(plan.folder / f"compiled-{number}"))
        for number, edition in enumerate((plan.first(), plan.ours))
    }
    old, new = editions
    rows, measured = [], {}
    for name in plan.sets(*bounds):
        first = {who: plan.train(name, edition=edition) for who, edition in editions.items()}
        runs = plan.repeat({who: partial(plan.train, name, edition=edition) for who, edition in editions.items()})
        seconds = {who: [one.seconds for one in found] for who, found in runs.items()}
        measured[name] = {
            who: {
                "first_run": asdict(first[who]),
                "seconds": spread(seconds[who]),
                "loop_seconds": spread([one.loop_seconds for one in runs[who]]),
                "tokens_per_second": spread([one.tokens_per_second for one in runs[who]]),
            }
            for who in editions
        }
        (before, now), (least_before, least) = (
            [float(take(seconds[who])) for who in (old, new)] for take in (np.median, min)
        )
        note = f"{now:.2f} s / {before:.2f} s; minima {least:.2f} / {least_before:.2f}"
        note += f"; first runs {first[new].seconds:.2f} / {first[old].seconds:.2f}"
        what = f"whole train, {name}: share of the time of {old}, later runs"
        rows.append(Row(what, now / before, *bounds[name], less=True, note=note))
    return Part(rows, measured)


def calibrated_training(plan: Plan) -> Part:
    """Whole trainings by default, with the models that calibrate; of one model alone; and of the first edition."""
    first = plan.first().with_environment(NUMBA_CACHE_DIR=str(plan.folder / "compiled"))
    rows, measured = [], {}
    for name in plan.sets("trec", "sst2", "imdb"):
        plan.train(name, "--epochs", "1", edition=first)
        runs = plan.repeat(
            {
                "default": partial(plan.train, name, calibrated=True),
                "calibrate none": partial(plan.train, name),
                first.name: partial(plan.train, name, edition=first),
            }
        )
        seconds = {who: [one.seconds for one in found] for who, found in runs.items()}
        measured[name] = {who: spread(values) for who, values in seconds.items()}
        whole, alone, before = (float(np.median(values)) for values in seconds.values())
        note = f"{whole:.2f} s / {alone:.2f} s"
        rows.append(Row(f"whole train, {name}: by default / --calibrate none", whole / alone, 2.2, 1.8, True, note))
        note = f"{whole:.2f} s / {before:.2f} s"
        rows.append(
            Row(f"whole train, {name}: share of the time of {first.name}", whole / before, 0.6, 0.4, True, note)
        )
    return Part(rows, measured)


def loop_speed(plan: Plan) -> Part:
    """Tokens a second in our training loop and in that of fastText, which is what more epochs take."""
    (name,) = plan.sets("imdb")
    peer = Fasttext(plan.rows(name), plan.folder)
    plan.train(name, "--epochs", "1")

    def fasttext_loop() -> float:
        one, more = peer.train(epoch=1), peer.train()
        return float((SETTINGS["epoch"] - 1) * more["words"] / max(more["seconds"] - one["seconds"], 1e-9))

    found = plan.repeat({"ours": lambda: plan.train(name).tokens_per_second, "fasttext": fasttext_loop})
    ours, theirs = float(np.median(found["ours"])), float(np.median(found["fasttext"]))
    note = f"{ours:,.0f} / {theirs:,.0f} tokens/s"
    row = Row(f"loop, {name}: our tokens/s / fastText's", ours / theirs, 0.3, 0.6, note=note)
    return Part([row], {who: spread(values) for who, values in found.items()} | {"fasttext_settings": dict(SETTINGS)})


def race(plan: Plan) -> Part:
    """Whole processes from the raw file to the saved model, and the accuracies, which are measured afterwards."""
    (name,) = plan.sets("imdb")
    peer = Fasttext(plan.rows(name), plan.folder)
    options = ("--preset", "fast", "--epochs", "1")
    plan.train(name, *options)
    peer.train()
    found = plan.repeat({"ours": lambda: plan.train(name, *options).seconds, "fasttext": lambda: peer.train()["whole"]})
    model, test = plan.folder / "model", plan.rows(name, "test")
    accuracy = float(plan.ours.call("evaluate", model, test, "--json", folder=plan.folder)["accuracy"])
    goal = peer.accuracy(test)
    ours, theirs = float(np.median(found["ours"])), float(np.median(found["fasttext"]))
    note = f"{theirs:.2f} s to {goal:.4f} / {ours:.2f} s to {accuracy:.4f}"
    what = f"raw file to model, {name}: fastText's time / ours to its accuracy"
    measured = {who: spread(values) for who, values in found.items()}
    row = Row(what, theirs / ours, 1.2, 2.0, note=note, condition=accuracy >= goal)
    return Part([row], {**measured, "accuracy": {"ours": accuracy, "fasttext": goal}, "options": list(options)})


def step_speed(plan: Plan) -> Part:
    """A step of `textcnn train` and of plain PyTorch models, with as many threads on both sides."""
    batch_size, length = 64, 45
    file = plan.folder / "step-rows.csv"
    steps.write_rows(file, batch_size * (20 if plan.quick else 400), length)
    count = 3 if plan.quick else 20
    rows, measured = [], {}
    for threads in (1, 2):
        own = partial(steps.our_step, batch_size, length, rows=file, threads=threads, edition=plan.ours)
        plain = partial(steps.plain_step, batch_size=batch_size, rows=file, threads=threads, steps=count)
        own()  # a first run may compile
        found = plan.repeat({"ours": own, **{model: partial(plain, model) for model in steps.PLAIN}})
        middle = {who: float(np.median(seconds)) for who, seconds in found.items()}
        measured[f"threads {threads}"] = {who: spread(seconds) for who, seconds in found.items()}
        rows += [
            Row(
                f"step of {batch_size} x {length}, threads {threads}: plain {model} / ours",
                middle[model] / middle["ours"],
                30,
                60,
                note=f"{middle[model] * 1e3:.2f} ms / {middle['ours'] * 1e3:.2f} ms",
            )
            for model in steps.PLAIN
        ]
    return Part(rows, {**measured, "settings": dict(steps.SETTINGS)})


def first_run(plan: Plan) -> Part:
    """The first run after an installation against the second one; what we depend on has been run before."""
    plan.train("trec")
    runs: dict[str, list[TrainingRun]] = {"first": [], "second": []}
    for _ in range(plan.repetitions):
        fresh = installed(install(plan.folder / "fresh"))
        for which in runs:
            runs[which].append(plan.train("trec", edition=fresh))
    seconds = {which: [one.seconds for one in found] for which, found in runs.items()}
    first, second = (float(np.median(seconds[which])) for which in runs)
    note = f"{first:.2f} s / {second:.2f} s"
    row = Row("first run after installing / second, trec", first / second, 1.1, 1.0, less=True, note=note)
    return Part([row], {which: spread(values) for which, values in seconds.items()})


def busy_neighbour(plan: Plan) -> Part:
    """Trainings alone and with one process that is always busy, on two cores."""
    (name,) = plan.sets("sst2")
    rows: list[Row] = []
    measured = {}
    for edition, repetitions in ((plan.ours, plan.repetitions), (plan.first(), 1)):
        plan.train(name, "--epochs", "1", edition=edition)
        runs: dict[str, list[TrainingRun]] = {"alone": [], "busy": []}
        for _ in range(repetitions):
            runs["alone"].append(plan.train(name, edition=edition))
            with neighbour():
                runs["busy"].append(plan.train(name, edition=edition))
        measured[edition.name] = {how: [asdict(one) for one in found] for how, found in runs.items()}
        for field, what in (("seconds", "whole train"), ("loop_seconds", "loop")):
            alone, busy = (float(np.median([getattr(one, field) for one in found])) for found in runs.values())
            floor, aim = (2.5, 2.0) if edition is plan.ours else (None, None)
            about = f"busy neighbour, {what}, {name}: with it / alone, {edition.name}"
            rows.append(Row(about, busy / alone, floor, aim, less=True, note=f"{busy:.2f} s / {alone:.2f} s"))
    return Part(rows, measured)


def two_threads(plan: Plan) -> Part:
    """The training loop with one thread and with two."""
    rows, measured = [], {}
    for name in plan.sets("imdb", "trec", "sst2", "mr", "banking77", "goemotions"):
        plan.train(name, "--epochs", "1")
        runs = plan.repeat({count: partial(plan.train, name, "--threads", count) for count in ("1", "2")})
        measured[name] = {count: [asdict(one) for one in found] for count, found in runs.items()}
        one, two = (float(np.median([each.tokens_per_second for each in found])) for found in runs.values())
        floor = 1.4 if name == "imdb" else 0.95
        note = f"{two:,.0f} / {one:,.0f} tokens/s"
        rows.append(Row(f"loop, {name}: two threads / one", two / one, floor, note=note))
    return Part(rows, measured)


def read_only(plan: Plan) -> Part:
    """The tests of a read-only installation, run by a user without rights or a home."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rA", READ_ONLY_TEST]
    done = subprocess.run(command, cwd=ROOT, env=plan.ours.environment, capture_output=True, text=True, check=False)
    outcomes = [line.split() for line in done.stdout.splitlines() if line.startswith(("PASSED ", "FAILED ", "ERROR "))]
    tests = {words[1].rpartition("::")[2]: words[0].lower() for words in outcomes}
    passed = sum(outcome == "passed" for outcome in tests.values())
    failed = ", ".join(name for name, outcome in tests.items() if outcome != "passed")
    note = f"not: {failed}" if failed else "" if tests else "skipped: they must be started by root"
    what = "share of commands that work read-only, as uid 65534, without HOME"
    return Part([Row(what, passed / max(len(tests), 1), 1.0, note=note)], tests)


PARTS: Mapping[str, tuple[str, Callable[[Plan], Part]]] = {
    "a": ("whole train against the first edition", whole_training),
    "b": ("training loop against fastText's", loop_speed),
    "c": ("raw file to model against fastText", race),
    "d": ("a step against plain PyTorch", step_speed),
    "e": ("first run after installing", first_run),
    "f": ("a busy neighbour", busy_neighbour),
    "g": ("two threads against one", two_threads),
    "h": ("a read-only installation", read_only),
    "i": ("whole train with calibration", calibrated_training),
}


@contextmanager
def neighbour() -> Iterator[None]:
    """One process that is busy as long as the block runs."""
    process = subprocess.Popen([sys.executable, "-S", "-c", NEIGHBOUR])
    try:
        yield
    finally:
        process.kill()
        process.wait()
