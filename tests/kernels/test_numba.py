from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn import kernels
from textcnn.errors import ConfigError
from textcnn.kernels import numba_training, reference


@pytest.fixture(autouse=True)
def _any_backend():
    before = kernels.use_backend("auto")
    yield
    kernels.use_backend(before)


def problem(seed, lengths, types=5, dim=3, filters=2, sizes=(3, 1, 4), keep=True):
    generator = torch.Generator().manual_seed(seed)
    offsets = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int64)
    inverse = torch.randint(types, (int(offsets[-1]),), generator=generator)
    tensors = [torch.randn(types, dim, generator=generator)]
    tensors += [torch.randn(filters, dim, size, generator=generator) for size in sizes]
    tensors += [torch.randn(filters, generator=generator) for _ in sizes]
    mask = (torch.rand(len(lengths), filters * len(sizes), generator=generator) > 0.5).float() if keep else None
    return [t.requires_grad_() for t in tensors], inverse, offsets, mask


def outputs(function, tensors, inverse, offsets, keep):
    """Features and every gradient."""
    sizes = (len(tensors) - 1) // 2
    for tensor in tensors:
        tensor.grad = None
    features = function(tensors[0], tensors[1 : 1 + sizes], tensors[1 + sizes :], inverse, offsets, keep)
    weights = torch.linspace(-1, 2, features.numel()).view(features.shape)
    (features.tanh() * weights).sum().backward()
    # The definition leaves out a gradient where there is no window at all.
    gradients = [torch.zeros_like(t) if t.grad is None and t.requires_grad else t.grad for t in tensors]
    return [features.detach(), *gradients]


@given(st.integers(0, 10_000), st.lists(st.integers(0, 9), min_size=1, max_size=6), st.booleans(), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_the_fast_twin_is_the_reference(seed, lengths, keep, filters):
    case = problem(seed, lengths, keep=keep, filters=filters)
    for fast, plain in zip(outputs(numba_training.conv_max, *case), outputs(reference.conv_max, *case), strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lengths", [[0], [0, 0, 1], [1], [100_000, 3]])
def test_empty_tiny_and_huge_texts(lengths):
    case = problem(1, lengths, types=50)
    for fast, plain in zip(outputs(numba_training.conv_max, *case), outputs(reference.conv_max, *case), strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)


def test_static_embeddings_have_no_gradient():
    tensors, *rest = problem(2, [4, 5])
    tensors[0].requires_grad_(False)
    assert outputs(numba_training.conv_max, tensors, *rest)[1] is None


def test_filters_that_every_text_drops_are_left_out():
    """Whole filters of a size, and a whole size, without a product; values and gradients as if they had been there."""
    tensors, inverse, offsets, _ = problem(7, [4, 0, 6], filters=3, sizes=(2, 3, 1))
    keep = torch.tensor([[1.0, 0, 0, 0, 0, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0, 0, 1, 1]])
    case = tensors, inverse, offsets, keep
    for fast, plain in zip(outputs(numba_training.conv_max, *case), outputs(reference.conv_max, *case), strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)


def test_kernel_sizes_may_have_different_numbers_of_filters():
    tensors, *rest = problem(4, [4, 2], keep=False)
    tensors[3], tensors[6] = torch.randn(9, 3, 4, requires_grad=True), torch.randn(9, requires_grad=True)
    for fast, plain in zip(
        outputs(numba_training.conv_max, tensors, *rest), outputs(reference.conv_max, tensors, *rest), strict=True
    ):
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)


BAGS = st.lists(st.lists(st.integers(0, 6), max_size=9), min_size=1, max_size=6)


@given(st.integers(0, 10_000), BAGS, st.integers(1, 20), st.sampled_from([(False, True), (True, True), (True, False)]))
@settings(deadline=None, max_examples=60)
def test_sums_of_bags_are_the_reference(seed, bags, dim, kind):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor([row for bag in bags for row in bag], dtype=torch.int64)
    offsets = torch.tensor([0, *np.cumsum([len(bag) for bag in bags])])
    weights, slopes = torch.rand(len(rows), generator=generator), torch.randn(len(bags), dim, generator=generator)
    found = []
    for module in (numba_training, reference):
        table = torch.randn(7, dim, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        sums = module.bag_sum(table, rows, offsets, weights, sparse=kind[0], merge=kind[1])
        (sums * slopes).sum().backward()
        assert table.grad.is_sparse == kind[0]
        if kind == (True, False):  # an optimizer that counts examples sees each of them
            assert table.grad._indices()[0].tolist() == rows.tolist()
        found.append((sums.detach(), table.grad.to_dense()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 6), max_size=12), st.integers(1, 20))
@settings(deadline=None, max_examples=40)
def test_row_updates_are_the_reference(seed, rows, dim):
    found = []
    for module in (numba_training, reference):
        generator = torch.Generator().manual_seed(seed)
        weight, moments, total = torch.randn(7, dim, generator=generator), torch.zeros(7, 2, dim), torch.zeros(7)
        table = torch.zeros(7, dim)
        for _ in range(3):
            grad = torch.sparse_coo_tensor(
                torch.tensor([rows], dtype=torch.int64),
                torch.randn(len(rows), dim, generator=generator),
                (7, dim),
                check_invariants=True,
            )
            module.row_adam(weight, moments, grad.coalesce(), lr=0.1, betas=(0.9, 0.99), eps=1e-6)
            module.row_adagrad(table, total, grad, lr=0.5)
        found.append((weight, moments, table, total))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)


def test_the_result_does_not_depend_on_the_number_of_threads():
    """Forward, gradients and three steps of both optimizers, to the bit."""
    script = """
import sys, torch
torch.manual_seed(0)
torch.set_num_threads(int(sys.argv[1]))
from textcnn.kernels import numba_training as fast
words, table = torch.randn(90, 8), torch.randn(90, 3)
moments, total = torch.zeros(90, 2, 8), torch.zeros(90)
filters, offsets = torch.randn(16, 8, 3, requires_grad=True), torch.arange(0, 400, 13)
rows = torch.randint(40, (int(offsets[-1]),))
for _ in range(3):
    e, n, w = words[:40].clone().requires_grad_(), words.requires_grad_(), table.requires_grad_()
    sums = fast.bag_sum(n, rows, offsets, torch.rand(len(rows)), sparse=True, merge=True).tanh().sum()
    logits = fast.bag_sum(w, rows, offsets, torch.rand(len(rows)), sparse=True, merge=False).tanh().sum()
    (fast.conv_max(e, [filters], [torch.zeros(16)], rows, offsets).tanh().sum() + sums + logits).backward()
    with torch.no_grad():
        fast.row_adam(words, moments, words.grad, lr=0.1, betas=(0.9, 0.99), eps=1e-6)
        fast.row_adagrad(table, total, table.grad, lr=0.5)
    words, table = words.detach(), table.detach()
for result in (words, table, moments, total, e.grad, filters.grad):
    print(result.numpy().tobytes().hex())
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"}
    runs = [
        subprocess.run(
            [sys.executable, "-c", script, str(threads)], capture_output=True, text=True, check=True, env=environment
        ).stdout
        for threads in (1, 2)
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_kernel_leaves_torch_its_threads(threads):
    torch.set_num_threads(threads)
    tensors, *rest = problem(3, [4])
    outputs(kernels.conv_max, tensors, *rest)
    assert torch.get_num_threads() == threads


def test_the_fast_twin_runs_by_default_and_says_so():
    tensors, *rest = problem(3, [4])
    outputs(kernels.conv_max, tensors, *rest)
    assert kernels.backend_info() == ("numba", "")


def _every_operation(dtype):
    """All four operations once, on tensors of a type."""
    rows, offsets, one = torch.zeros(2, dtype=torch.int64), torch.tensor([0, 2]), torch.ones(1, 1, dtype=dtype)
    grad = torch.sparse_coo_tensor(rows[None, :1], one, (1, 1), check_invariants=True)
    return {
        "conv_max": lambda: kernels.conv_max(one, [one[..., None]], [one[0]], rows, offsets),
        "bag_sum": lambda: kernels.bag_sum(one, rows, offsets, torch.ones(2, dtype=dtype)),
        "row_adam": lambda: kernels.row_adam(
            one.clone(), torch.ones(1, 2, 1, dtype=dtype), grad, lr=0.1, betas=(0.9, 0.99), eps=1.0
        ),
        "row_adagrad": lambda: kernels.row_adagrad(one.clone(), torch.ones(1, dtype=dtype), grad, lr=0.1),
    }


@pytest.mark.parametrize("operation", ["conv_max", "bag_sum", "row_adam", "row_adagrad"])
def test_a_refusal_is_never_silent(operation):
    reason = "tensors are torch.float64, the fast twin is for float32"
    _every_operation(torch.float64)[operation]()
    assert kernels.backend_info() == ("reference", reason)
    _every_operation(torch.float32)["conv_max" if operation != "conv_max" else "bag_sum"]()
    assert kernels.backend_info() == ("numba+reference", reason)
    kernels.use_backend("numba")
    with pytest.raises(ConfigError, match=f"backend is 'numba', which cannot run this: {reason}"):
        _every_operation(torch.float64)[operation]()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_reference_runs_and_says_why():
    kernels.bag_sum(*(t.cuda() for t in (torch.ones(1, 1), torch.zeros(1).long(), torch.tensor([0, 1]), torch.ones(1))))
    assert kernels.backend_info() == ("reference", "tensors are on cuda, the fast twin is for the CPU")


def test_under_export_the_reference_runs_and_says_why(monkeypatch):
    monkeypatch.setattr("torch.compiler.is_exporting", lambda: True)
    _every_operation(torch.float32)["conv_max"]()
    assert kernels.backend_info() == ("reference", "the model is being exported")


def test_in_a_child_of_a_fork_the_reference_runs_and_says_why(monkeypatch):
    monkeypatch.setattr("textcnn.kernels.backend._lost_threads", True)
    kernels.prepare(pytest.fail)
    _every_operation(torch.float32)["conv_max"]()
    reason = "the process is a child of a fork, without the threads of the fast twin"
    assert kernels.backend_info() == ("reference", reason)


def test_the_reference_can_be_chosen():
    assert kernels.use_backend("reference") == "auto"
    tensors, *rest = problem(5, [4])
    outputs(kernels.conv_max, tensors, *rest)
    assert kernels.backend_info() == ("reference", "the reference was chosen")


def test_without_numba_the_reason_is_told(monkeypatch):
    monkeypatch.setattr("textcnn.kernels.backend._has_numba", lambda: False)
    tensors, *rest = problem(6, [4])
    outputs(kernels.conv_max, tensors, *rest)
    assert kernels.backend_info() == ("reference", "numba is not installed")
    with pytest.raises(ConfigError, match="backend is 'numba', but numba is not installed"):
        kernels.use_backend("numba")


def test_an_unknown_backend_is_told():
    with pytest.raises(ConfigError, match="backend must be one of auto, reference, numba, got 'cuda'"):
        kernels.use_backend("cuda")


def test_compiling_is_announced_once(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr("textcnn.kernels.backend.is_cached", lambda module: False)
    kernels.prepare(said.append)
    assert said == ["compiling kernels, once"]
    monkeypatch.setattr("textcnn.kernels.backend.is_cached", lambda module: True)
    kernels.prepare(said.append)
    assert len(said) == 1


@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_a_process_that_ends_meanwhile_has_its_exit_code(seconds):
    program = (
        "import sys, time\nfrom textcnn.kernels import backend\nbackend.prepare(print, wait=False)\n"
        f"time.sleep({seconds})\nsys.exit(3)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stderr) == (3, "")
