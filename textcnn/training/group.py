"""Processes that torchrun started train one model (torch.distributed; gloo on CPUs, NCCL on GPUs)."""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from textcnn.errors import ConfigError, TextCNNError
from textcnn.training.meeting import only_ours
from textcnn.training.progress import Reporter, Silent, StopTraining
from textcnn.training.ranks import ALONE, Ranks

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # as torchrun sets them
_LOST = ("gloo", "NCCL", "Connection closed", "Connection reset")  # in what torch says when a process is gone


class RankLostError(TextCNNError):
    """A process of the group is gone."""


class Group(Ranks):
    """The processes of torch's default group, which has been joined."""

    def __init__(self) -> None:
        self.size, self.rank = dist.get_world_size(), dist.get_rank()
        self.is_stopping = self.is_interrupted = False
        self._spent: dict[str, list[float]] = {}

    def sum(self, tensor: Tensor, name: str = "others") -> Tensor:
        """As everywhere in :class:`Ranks`."""
        with self._counted(name, tensor):
            dist.all_reduce(tensor)
        return tensor

    def total(self, tensor: Tensor) -> Tensor:
        """The same."""
        found: Tensor = _Total.apply(tensor, self)  # type: ignore[no-untyped-call]
        return found

    def gather(self, tensor: Tensor, name: str = "others") -> list[Tensor]:
        """The same. What is sent is as long as the longest of them."""
        with self._counted(name, tensor):
            lengths = [torch.zeros(1, dtype=torch.int64, device=tensor.device) for _ in range(self.size)]
            dist.all_gather(lengths, torch.tensor([len(tensor)], device=tensor.device))
            longest = max(int(length) for length in lengths)
            filled = tensor.new_zeros(longest)
            filled[: len(tensor)] = tensor
            found = [torch.empty_like(filled) for _ in range(self.size)]
            dist.all_gather(found, filled)
        return [part[: int(length)] for part, length in zip(found, lengths, strict=True)]

    def broadcast(self, data: bytes | None) -> bytes | None:
        """The same."""
        size = torch.tensor([-1 if data is None else len(data)])
        dist.broadcast(size, 0)
        if int(size) < 0:
            return None
        sent = torch.empty(int(size), dtype=torch.uint8)
        if self.is_first and data:
            sent.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.broadcast(sent, 0)
        return sent.numpy().tobytes()

    def agree(self, loss: float) -> float:
        """The same."""
        numbers = torch.tensor([loss, self.is_stopping, self.is_interrupted], dtype=torch.float64)
        value, stopping, interrupted = self.sum(numbers, "losses").tolist()
        if interrupted:
            self.is_interrupted = True
            raise KeyboardInterrupt
        if stopping:
            raise StopTraining
        return float(value)

    def listening(self, reporter: Reporter) -> Reporter:
        """The same."""
        return _Listening(self, reporter)

    @contextmanager
    def training(self) -> Iterator[None]:
        """The same."""
        with self._signals_wait():
            yield

    def wait(self) -> None:
        """The same."""
        dist.all_reduce(torch.zeros(1))

    def exchange(self) -> dict[str, float]:
        """The same: ``NAME_bytes`` given by this process in ``NAME_messages``; ``seconds`` in all, with waiting."""
        found = {f"{name}_bytes": spent[0] for name, spent in self._spent.items()}
        found |= {f"{name}_messages": spent[2] for name, spent in self._spent.items()}
        return {**found, "seconds": sum(spent[1] for spent in self._spent.values())}

    @contextmanager
    def _counted(self, name: str, tensor: Tensor) -> Iterator[None]:
        began = time.perf_counter()
        yield
        spent = self._spent.setdefault(name, [0, 0.0, 0])
        spent[0] += tensor.numel() * tensor.element_size()
        spent[1] += time.perf_counter() - began
        spent[2] += 1

    @contextmanager
    def _signals_wait(self) -> Iterator[None]:
        """An interrupt is told to all with the next loss; once it was, further ones do not disturb the saving."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def note(number: int, frame: FrameType | None) -> None:
            self.is_interrupted = True
            if callable(handler := before[signal.Signals(number)]):
                with suppress(KeyboardInterrupt):  # it may note which signal it was
                    handler(number, frame)

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            if not self.is_interrupted:
                for number, handler in before.items():
                    signal.signal(number, handler)


class _Total(torch.autograd.Function):
    """The sum over the processes; each of them has a share of the loss, so the gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.sum(tensor.clone(), "statistics")

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.ranks.sum(grad.clone(), "statistics"), None


class _Listening(Silent):
    """Keeps back that training is to stop, until all processes are told with the next loss."""

    def __init__(self, group: Group, reporter: Reporter) -> None:
        self._group, self._reporter = group, reporter

    def say(self, message: str) -> None:
        self._reporter.say(message)

    def start(self, num_steps: int) -> None:
        self._reporter.start(num_steps)

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        try:
            self._reporter.step(epoch, loss, tokens_per_second)
        except StopTraining:
            self._group.is_stopping = True
        except KeyboardInterrupt:
            self._group.is_interrupted = True

    def epoch(self, entry: dict[str, Any]) -> None:
        try:
            self._reporter.epoch(entry)
        except StopTraining:
            self._group.is_stopping = True

    def stop(self) -> None:
        self._reporter.stop()


def num_processes() -> int:
    """As many as torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def require_alone(command: str) -> None:
    """Refuse a command that torchrun's processes would all do by themselves.

    Raises:
        ConfigError: torchrun has started several.
    """
    if num_processes() > 1:
        raise ConfigError(
            f"expected one process for {command}, found WORLD_SIZE={num_processes()}; start it without torchrun"
        )


def was_restarted() -> bool:
    """Whether torchrun has started these processes again, after one was lost."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that torchrun started beside this one, until the end of the block; without torchrun, this one.

    Raises:
        ConfigError: WORLD_SIZE is set, and a variable that belongs to it is not.
        RankLostError: another process ended before the block did.
    """
    if num_processes() == 1:
        yield ALONE
        return
    if missing := [name for name in _VARIABLES if name not in os.environ]:
        raise ConfigError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']!r}, and {', '.join(missing)} must be set too; start the run with "
            f"torchrun, or unset WORLD_SIZE"
        )
    # Its functions keep the group there is when they are loaded as a default, for ever. The optimizers load them, and a
    # group that outlives its block frees tensors while the interpreter ends: the process is aborted, now and then.
    importlib.import_module("torch.distributed.nn.functional")
    store, rank, size = next(rendezvous("env://"))
    dist.init_process_group(_backend(), store=only_ours(store, rank, size), rank=rank, world_size=size)
    try:
        yield Group()
    except (RuntimeError, dist.DistError) as err:
        if not isinstance(err, dist.DistError) and not any(word in str(err) for word in _LOST):
            raise
        raise RankLostError(
            f"rank {rank} lost another of the {size} ranks: {str(err).splitlines()[0]}; start the run again with "
            f"--resume, or let torchrun do it (--max-restarts)"
        ) from err
    finally:
        dist.destroy_process_group()


def _backend() -> str:
    """NCCL between GPUs, one for each process of a machine; gloo between CPUs, and where processes share a GPU."""
    gpus = torch.cuda.device_count()
    if not gpus:
        return "gloo"
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % gpus)
    return "cpu:gloo,cuda:nccl" if gpus >= int(os.environ.get("LOCAL_WORLD_SIZE", "1")) else "gloo"
