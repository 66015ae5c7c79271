"""Optimizers: AdamW on dense weights, sparse Adagrad or Adam on embedding rows, with a common learning-rate decay."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from textcnn.config import EMBEDDING_LEARNING_RATES, TrainingConfig
from textcnn.nn import kernels
from textcnn.nn.embedding import HashedNgrams, WordEmbedding
from textcnn.nn.heads import WideBranch
from textcnn.training.sampler import linear_decay

# Which optimizer moves the sparse tables of a module; all other weights are dense.
TABLE_OWNERS: Mapping[type[nn.Module], str] = {WordEmbedding: "rows", HashedNgrams: "rows", WideBranch: "wide"}


class RowOptimizer(Optimizer):
    """Base class of optimizers for tables ``(V, D)`` with sparse gradients, which update only the touched rows."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the touched rows once."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, self.state[weight], group)
        return loss

    @abstractmethod
    def _move(self, weight: Tensor, grad: Tensor, state: dict[str, Tensor], group: Mapping[str, Any]) -> None:
        """Update the rows of one table; ``state`` is empty at first."""


class RowAdam(RowOptimizer):
    """Lazy Adam for tables of rows: a step updates only the rows that have a gradient.

    Without bias correction: a row's averages start at 0 whenever it is first seen, late in training perhaps.

    Args:
        params: weights ``(V, D)`` with sparse gradients.
        lr: step size.
        betas: decay of the averages of the gradient and of its square, per touch of the row.
        eps: added to the root of the second.
    """

    def __init__(
        self, params: Any, lr: float = 1e-2, betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-6
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    def _move(self, weight: Tensor, grad: Tensor, state: dict[str, Tensor], group: Mapping[str, Any]) -> None:
        if not state:
            state["moments"] = weight.new_zeros(len(weight), 2, weight.shape[1])
        rates = {name: group[name] for name in ("lr", "betas", "eps")}
        kernels.row_adam(weight, state["moments"], _each_row_once(grad), **rates)


class RowwiseAdagrad(RowOptimizer):
    """Adagrad with one accumulator per row: a step updates only the rows that have a gradient.

    The accumulator of a row adds the mean square of the row's gradient, which is summed over the whole batch first;
    then the row moves by ``lr * gradient / (sqrt(accumulator) + eps)``.

    Args:
        params: weights ``(V, D)`` with sparse gradients.
        lr: step size.
        eps: added to the root of the accumulator.
    """

    def __init__(self, params: Any, lr: float = 0.2, eps: float = 1e-10) -> None:
        super().__init__(params, {"lr": lr, "eps": eps})

    def _move(self, weight: Tensor, grad: Tensor, state: dict[str, Tensor], group: Mapping[str, Any]) -> None:
        if not state:
            state["sum"] = weight.new_zeros(len(weight))
        kernels.rowwise_adagrad(weight, state["sum"], _each_row_once(grad), lr=group["lr"], eps=group["eps"])


class RowAdagrad(RowOptimizer):
    """Adagrad with one accumulator per row, for linear models over many rare features.

    A gradient must come uncoalesced, an entry for each example: the accumulator of a row grows by ``2 / C`` of the
    squared norm of each, not of their sum.

    Args:
        params: weights ``(V, C)`` with sparse gradients.
        lr: step size.
    """

    def __init__(self, params: Any, lr: float = 0.5) -> None:
        super().__init__(params, {"lr": lr})

    def _move(self, weight: Tensor, grad: Tensor, state: dict[str, Tensor], group: Mapping[str, Any]) -> None:
        if not state:
            state["sum"] = weight.new_zeros(len(weight))
        kernels.row_adagrad(weight, state["sum"], grad, lr=group["lr"])


class Optimizers:
    """The optimizers of a model as one: one step, one decay schedule, one state.

    Attributes:
        steps: done so far.
        share: factor of the planned learning rates; less than 1 after a diverged loss.
    """

    def __init__(self, members: Mapping[str, Optimizer], decay: Callable[[int], float]) -> None:
        self._members = dict(members)
        self._decay = decay
        self._peaks = {name: [g["lr"] for g in member.param_groups] for name, member in self._members.items()}
        self.steps = 0
        self.share = 1.0

    def __iter__(self) -> Iterator[Optimizer]:
        """Iterate over the optimizers."""
        return iter(self._members.values())

    def step(self, move: Callable[[Optimizer], Any] = lambda member: member.step()) -> None:
        """Update all weights that have gradients at the current learning rates, and clear the gradients.

        ``move`` does it for one optimizer; it may leave it out.
        """
        factor = self._decay(self.steps) * self.share
        for name, member in self._members.items():
            for group, peak in zip(member.param_groups, self._peaks[name], strict=True):
                group["lr"] = peak * factor
            move(member)
            member.zero_grad()
        self.steps += 1

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what a resumed run needs: JSON values, and tensors by name."""
        tensors = {
            f"{name}.{number}.{key}": value
            for name, number, member, weight in self._weights()
            for key, value in member.state[weight].items()
        }
        return {"steps": self.steps, "share": self.share}, tensors

    def load_state(self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`state` returned."""
        self.steps, self.share = facts["steps"], facts["share"]
        for name, number, member, weight in self._weights():
            prefix = f"{name}.{number}."
            member.state[weight] = {
                key.removeprefix(prefix): _laid_out_as(weight, value)
                for key, value in tensors.items()
                if key.startswith(prefix)
            }

    def _weights(self) -> Iterator[tuple[str, int, Optimizer, Tensor]]:
        for name, member in self._members.items():
            weights = [weight for group in member.param_groups for weight in group["params"]]
            for number, weight in enumerate(weights):
                yield name, number, member, weight


def _laid_out_as(weight: Tensor, value: Tensor) -> Tensor:
    """Copy ``value`` into the strides of ``weight``, which the fused AdamW requires of its moments."""
    own = weight.detach()
    return torch.empty_like(own).copy_(value) if value.shape == own.shape else value.to(own.device, copy=True)


def build_optimizers(model: nn.Module, config: TrainingConfig, num_steps: int) -> Optimizers:
    """Build AdamW, RowwiseAdagrad or RowAdam, and RowAdagrad for a model, with warm-up and decay."""
    groups = split_parameters(model)
    members: dict[str, Optimizer] = {}
    if groups["dense"]:
        members["dense"] = AdamW(groups["dense"], lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    if groups["rows"]:
        members["rows"] = _row_optimizer(model, groups["rows"], config)
    if groups["wide"]:
        members["wide"] = RowAdagrad(groups["wide"], lr=config.wide_learning_rate)
    return Optimizers(members, linear_decay(num_steps, config.warmup))


def _row_optimizer(model: nn.Module, rows: list[nn.Parameter], config: TrainingConfig) -> Optimizer:
    """Build the optimizer of embedding rows; word rows have ``vector_learning_rate`` if that is set."""
    kinds: Mapping[str, Callable[[Any], Optimizer]] = {"adagrad": RowwiseAdagrad, "adam": RowAdam}
    rate = config.embedding_learning_rate or EMBEDDING_LEARNING_RATES[config.embedding_optimizer][0]
    words = {id(module.word.weight) for module in model.modules() if isinstance(module, WordEmbedding)}
    rates = [config.vector_learning_rate or rate if id(weight) in words else rate for weight in rows]
    return kinds[config.embedding_optimizer](
        [{"params": [weight], "lr": lr} for weight, lr in zip(rows, rates, strict=True)]
    )


def split_parameters(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Group the trainable weights by their optimizer: ``dense``, ``rows`` or ``wide``."""
    owner = {
        id(table.weight): group
        for module in model.modules()
        for kind, group in TABLE_OWNERS.items()
        if isinstance(module, kind)
        for table in module.modules()
        if isinstance(table, nn.Embedding | nn.EmbeddingBag)
    }
    groups: dict[str, list[nn.Parameter]] = {"dense": [], "rows": [], "wide": []}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups[owner.get(id(parameter), "dense")].append(parameter)
    return groups


def _each_row_once(grad: Tensor) -> Tensor:
    """Coalesce a sparse gradient, unless its ascending rows show that it is already."""
    rows = grad._indices()[0]
    return grad if bool((rows[1:] > rows[:-1]).all()) else grad.coalesce()
