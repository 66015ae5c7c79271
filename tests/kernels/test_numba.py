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


def test_the_result_does_not_depend_on_the_number_of_threads():
    script = (
        "import sys, numba, torch; numba.set_num_threads(int(sys.argv[1])); torch.manual_seed(0)\n"
        "from textcnn.kernels.numba_training import conv_max\n"
        "e, w = torch.randn(40, 8, requires_grad=True), torch.randn(16, 8, 3, requires_grad=True)\n"
        "o = torch.arange(0, 400, 13)\n"
        "conv_max(e, [w], [torch.zeros(16)], torch.randint(40, (int(o[-1]),)), o).tanh().sum().backward()\n"
        "print(e.grad.numpy().tobytes().hex(), w.grad.numpy().tobytes().hex())\n"
    )
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2"}  # numba refuses more threads than cores otherwise
    command = [sys.executable, "-c", script]
    runs = [
        subprocess.run([*command, str(threads)], capture_output=True, text=True, check=True, env=environment).stdout
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


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors: [t.detach().double().requires_grad_() for t in tensors], "tensors are torch.float64"),
        (
            lambda t: [*t[:3], torch.randn(9, 3, 4, requires_grad=True), *t[4:6], torch.randn(9, requires_grad=True)],
            "kernel sizes have different numbers of filters",
        ),
    ],
)
def test_a_refusal_is_never_silent(change, reason):
    tensors, inverse, offsets, _ = problem(4, [4, 2])
    tensors = change(tensors)
    outputs(kernels.conv_max, tensors, inverse, offsets, None)
    assert kernels.backend_info().backend == "reference"
    assert reason in kernels.backend_info().reason
    kernels.use_backend("numba")
    with pytest.raises(ConfigError, match=f"backend is 'numba', which cannot run this: {reason}"):
        outputs(kernels.conv_max, tensors, inverse, offsets, None)


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
    monkeypatch.setattr("textcnn.kernels.backend._is_cached", lambda module: False)
    kernels.prepare(said.append)
    assert said == ["compiling kernels, once"]
    monkeypatch.setattr("textcnn.kernels.backend._is_cached", lambda module: True)
    kernels.prepare(said.append)
    assert len(said) == 1
