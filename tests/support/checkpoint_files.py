"""Rows to train on, and waiting for a run in another process to have kept how far it came."""

import time

import pytest


def write_rows(folder, number):
    """A labelled file whose label one word tells."""
    file = folder / "train.csv"
    lines = [f"{'good' if n % 2 else 'bad'} film number {n % 97},{'pos' if n % 2 else 'neg'}" for n in range(number)]
    file.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return file


def wait_for_checkpoint(folder, process, step):
    """Until there is one of that step or behind it."""
    until = time.monotonic() + 80
    while time.monotonic() < until:
        names = [path.name for path in folder.glob("fit-001-step-*.safetensors")]
        if any(int(name.split("-")[3]) >= step for name in names):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    pytest.fail("no checkpoint was written")
