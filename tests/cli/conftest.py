"""What a command changes in this process ends with its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from textcnn_cli import console


@pytest.fixture(autouse=True)
def _usual_level_and_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    console.set_level(0)
