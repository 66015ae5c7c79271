"""Batch classification on Ray Data: units to a pool of actors, each with the model loaded once."""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import textcnn
from textcnn.cluster.job import Files, Job, do_unit, model_here, pack, unit_of
from textcnn.cluster.state import Done, as_json, claim, finished
from textcnn.cluster.units import Unit
from textcnn.core.threads import num_cores
from textcnn.errors import ConfigError, TextCNNError, import_extra

_STORE_BYTES = 2**27  # for Ray's objects on this machine: they are names of files, and what became of them
_SHARE = 0.5  # of a core, that an actor asks for: those of a lost machine need room to start again elsewhere
_WRONG = "wrong"  # the key of an answer that concerns the actor, and so every unit

Tell = Callable[[Done], None]


@dataclass(frozen=True)
class Outcome:
    """What a run has come to: the units of this start, and those that were done before it."""

    now: list[Done]
    before: list[Done]


def classify_units(
    job: Job, units: Sequence[Unit], *, address: str | None = None, tell: Callable[[Done], None] = lambda done: None
) -> Outcome:
    """Classify every unit that is not finished.

    Each unit is one task of an actor. A task whose worker or machine was lost is given to another: it writes the same
    bytes under the same name, so there are neither gaps nor duplicates (docs/adr/0014-batch-on-ray.md).

    Args:
        job: what is to be done.
        units: of ``job.inputs``.
        address: of a Ray cluster, as ``ray://host:10001`` or ``auto``; none: one is started on this machine and ended.
        tell: is called with each unit when it is done, or could not be.

    Raises:
        ConfigError: the folder of answers is of another run, or there is no cluster at the address.
        MissingExtraError: Ray is not installed.
        TextCNNError: the model cannot be loaded on some machine, or Ray gives up.
    """
    claim(job.output, job.settings())
    job.output.remove_unfinished()
    before = finished(job.output, units, job.ending)
    waiting = [unit for unit in units if unit.output(job.ending) not in before]
    now: dict[str, Done] = {}
    if waiting:
        with _ray(address) as ray:
            for done in _answers(ray, job, waiting, ships=address is not None):
                if done.output not in now:  # one that was lost on its way is told twice
                    now[done.output] = done
                    tell(done)
        if missing := [unit.file for unit in waiting if unit.output(job.ending) not in now]:
            raise TextCNNError(f"Ray ended without a word on {len(missing):,} units, {missing[0]!r} first; start again")
    return Outcome(list(now.values()), list(before.values()))


class UnitClassifier:
    """An actor: it loads the model when it starts, and takes one unit a call.

    Args:
        job: what is to be done.
        version: of textcnn where the job was started.
        files: the model, for machines that do not have its folder; none: all have.
    """

    def __init__(self, job: Job, version: str, files: Any) -> None:
        self._job = job
        self._wrong: str | None = None
        try:
            if version != textcnn.__version__:
                raise ConfigError(
                    f"expected textcnn {version} on every machine, found {textcnn.__version__} on {_host()}"
                )
            with model_here(job.model, job.fingerprint, _fetched(files)) as folder:
                self._predictor = _loaded(folder, job)
        except TextCNNError as err:  # an error here would only have Ray start the actor again
            self._wrong = str(err)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """From a batch of one unit to what became of it, both as JSON."""
        (unit,) = batch["unit"]
        if self._wrong is not None:
            return {"done": [json.dumps({_WRONG: self._wrong})]}
        done = do_unit(self._job, unit_of(json.loads(unit)), self._predictor)
        return {"done": [json.dumps(vars(done))]}


def _answers(ray: ModuleType, job: Job, units: Sequence[Unit], *, ships: bool) -> Iterator[Done]:
    """What became of each unit, as Ray tells it: in any order, and perhaps twice."""
    data = import_extra("ray.data", extra="ray", feature="classify --engine ray")
    _silence(data)
    files = ray.put(pack(job.model)) if ships else None
    cores = max(int(ray.cluster_resources().get("CPU", 1)), 1)
    size = min(len(units), cores)
    pool = data.ActorPoolStrategy(min_size=1, max_size=size, initial_size=size, max_tasks_in_flight_per_actor=1)
    items = [{"unit": json.dumps(as_json(unit))} for unit in units]
    answered = data.from_items(items, override_num_blocks=len(items)).map_batches(
        UnitClassifier,
        fn_constructor_args=(job, textcnn.__version__, files),
        batch_size=1,
        compute=pool,
        num_cpus=_SHARE,
        scheduling_strategy="SPREAD",
        max_restarts=-1,
        max_task_retries=-1,  # each failed connection to a lost machine is one; `do_unit` counts what matters
    )
    try:
        for row in answered.iter_rows():
            found = json.loads(row["done"])
            if _WRONG in found:
                raise TextCNNError(found[_WRONG])
            yield Done(**found)
    except ray.exceptions.RayTaskError:  # a mistake of ours keeps its traceback
        raise
    except ray.exceptions.RayError as err:
        raise TextCNNError(
            f"Ray gave up: {str(err).strip().splitlines()[0]}; what is finished stays, and the same command takes up "
            "the rest"
        ) from err


@contextmanager
def _ray(address: str | None) -> Iterator[ModuleType]:
    """Ray, connected to a cluster or with one of this machine alone, which ends with the block."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_extra("ray", extra="ray", feature="classify --engine ray")
    if ray.is_initialized():  # by the program that calls us, which also ends it
        yield ray
        return
    own = {"num_cpus": num_cores(), "object_store_memory": _STORE_BYTES, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else own),
        )
    except (ConnectionError, ValueError, RuntimeError) as err:
        raise ConfigError(f"expected a Ray cluster at --address {address!r}, found: {err}") from err
    try:
        yield ray
    finally:
        ray.shutdown()


def _silence(data: Any) -> None:
    """Ray Data draws bars and logs plans of its own."""
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _fetched(files: Any) -> Files | None:
    return None if files is None else importlib.import_module("ray").get(files)


def _loaded(folder: Path, job: Job) -> Any:
    from textcnn.prediction.predictor import Predictor

    predictor = Predictor.load(folder, precision=job.precision, threads=1)  # an actor is one core's worth
    predictor.text_inputs()
    predictor.thresholds(job.threshold)
    return predictor


def _host() -> str:
    import socket

    return socket.gethostname()
