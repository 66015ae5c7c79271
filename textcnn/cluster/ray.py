"""Classifies units of work on Ray Data, with a pool of actors that each load the model once."""

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
from typing import Any, Protocol

import textcnn
from textcnn.cluster.job import Files, Job, model_here, pack
from textcnn.cluster.state import Done, claim, finished
from textcnn.cluster.units import Unit
from textcnn.core.threads import num_cores
from textcnn.errors import ConfigError, TextCNNError, import_extra

_STORE_BYTES = 2**27  # Ray's object store on this machine; its objects are only file names and results
_SHARE = 0.5  # cores that an actor requests, so that the actors of a lost machine have room to restart elsewhere
_WRONG = "wrong"  # the key of an error that concerns the actor, and so every unit

Tell = Callable[[Done], None]


@dataclass(frozen=True)
class Outcome:
    """The result of a run: the units classified by this start, and those that earlier starts had finished."""

    now: list[Done]
    before: list[Done]


def classify_units(
    job: Job, units: Sequence[Unit], *, address: str | None = None, tell: Callable[[Done], None] = lambda done: None
) -> Outcome:
    """Classify every unit that is not finished.

    Each unit is one task of an actor. If its worker or machine is lost, another actor repeats the task and writes the
    same bytes under the same name, so there are neither gaps nor duplicates (docs/adr/0014-batch-on-ray.md).

    Args:
        job: the settings of the job.
        units: the units of ``job.inputs``.
        address: the address of a Ray cluster, such as ``ray://host:10001`` or ``auto``; none: a local cluster is
            started, and stopped at the end.
        tell: called with each unit that has been classified or has failed.

    Raises:
        ConfigError: the output folder belongs to another run, or there is no cluster at the address.
        MissingExtraError: Ray is not installed.
        TextCNNError: the model cannot be loaded on some machine, or Ray gives up.
    """
    claim(job.output, job.settings())
    job.output.remove_unfinished()
    before = finished(job.output, units, job.ending)
    waiting = [unit for unit in units if unit.output(job.ending) not in before]
    now: dict[str, Done] = {}
    if waiting:
        for found in on_actors(job, waiting, address=address):
            done = Done(**found)
            if done.output not in now:  # a repeated task is reported twice
                now[done.output] = done
                tell(done)
        if missing := [unit.file for unit in waiting if unit.output(job.ending) not in now]:
            raise TextCNNError(f"Ray ended without a word on {len(missing):,} units, {missing[0]!r} first; start again")
    return Outcome(list(now.values()), list(before.values()))


class Work(Protocol):
    """The interface of a job whose units are done one by one by actors; Ray sends it to the actors."""

    @property
    def model(self) -> Path:
        """The model folder on the machine that started the job."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model."""

    def load(self, folder: Path) -> Any:
        """Load what the units need from the model's folder; called once in an actor."""

    def run(self, unit: Any, predictor: Any) -> Any:
        """Do one unit, unless it is done already, and return a dataclass of JSON values."""


class Actor:
    """A Ray actor that loads the model when it starts, and does one unit of work per call.

    Args:
        job: the settings of the job.
        units: all units; each is called for by its number.
        version: the version of textcnn on the machine that started the job.
        files: the files of the model, for machines without its folder; none: all machines have it.
    """

    def __init__(self, job: Work, units: Sequence[Any], version: str, files: Any) -> None:
        self._job, self._units = job, units
        self._wrong: str | None = None
        try:
            if version != textcnn.__version__:
                raise ConfigError(
                    f"expected textcnn {version} on every machine, found {textcnn.__version__} on {_host()}"
                )
            with model_here(job.model, job.fingerprint, _fetched(files)) as folder:
                self._predictor = job.load(folder)
        except TextCNNError as err:  # if it were raised here, Ray would only restart the actor
            self._wrong = str(err)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Do a batch of the number of one unit and return the result as a JSON string."""
        (number,) = batch["unit"]
        if self._wrong is not None:
            return {"done": [json.dumps({_WRONG: self._wrong})]}
        return {"done": [json.dumps(vars(self._job.run(self._units[number], self._predictor)))]}


def on_actors(job: Work, units: Sequence[Any], *, address: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the result of each unit as Ray reports it: in any order, and possibly twice.

    Args:
        job: the settings of the job.
        units: what :meth:`Work.run` takes.
        address: the address of a Ray cluster; none: a local cluster is started, and stopped at the end.

    Raises:
        ConfigError: there is no cluster at the address.
        MissingExtraError: Ray is not installed.
        TextCNNError: the model cannot be loaded on some machine, or Ray gives up.
    """
    with _ray(address) as ray:
        yield from _answers(ray, job, units, ships=address is not None)


def _answers(ray: ModuleType, job: Work, units: Sequence[Any], *, ships: bool) -> Iterator[dict[str, Any]]:
    data = import_extra("ray.data", extra="ray", feature="--engine ray")
    _silence(data)
    files = ray.put(pack(job.model)) if ships else None
    cores = max(int(ray.cluster_resources().get("CPU", 1)), 1)
    size = min(len(units), cores)
    pool = data.ActorPoolStrategy(min_size=1, max_size=size, initial_size=size, max_tasks_in_flight_per_actor=1)
    items = [{"unit": number} for number in range(len(units))]
    answered = data.from_items(items, override_num_blocks=len(items)).map_batches(
        Actor,
        fn_constructor_args=(job, units, textcnn.__version__, files),
        batch_size=1,
        compute=pool,
        num_cpus=_SHARE,
        scheduling_strategy="SPREAD",
        max_restarts=-1,
        max_task_retries=-1,  # a failed connection to a lost machine counts as one; `do_unit` counts real attempts
    )
    try:
        for row in answered.iter_rows():
            found = json.loads(row["done"])
            if _WRONG in found:
                raise TextCNNError(found[_WRONG])
            yield found
    except ray.exceptions.RayTaskError:  # a bug in this package: keep the traceback
        raise
    except ray.exceptions.RayError as err:
        raise TextCNNError(
            f"Ray gave up: {str(err).strip().splitlines()[0]}; what is finished stays, and the same command takes up "
            "the rest"
        ) from err


@contextmanager
def _ray(address: str | None) -> Iterator[ModuleType]:
    """Yield Ray, connected to a cluster, or to a local one that is stopped at the end of the block."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_extra("ray", extra="ray", feature="--engine ray")
    if ray.is_initialized():  # by the calling program, which also shuts it down
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
    """Turn off the progress bars and log messages of Ray Data."""
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _fetched(files: Any) -> Files | None:
    return None if files is None else importlib.import_module("ray").get(files)


def _host() -> str:
    import socket

    return socket.gethostname()
