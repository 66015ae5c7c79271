"""Which tests start processes, read from their code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from inspect import unwrap
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

MODULES = {"subprocess", "multiprocessing"}
TESTS = str(Path(__file__).parents[1])


def starts_processes(item: pytest.Item) -> bool:
    """Whether a test, one of its fixtures, or what they call in the tests' own files names a module of processes."""
    fixtures = getattr(item, "_fixtureinfo", None)
    found = [definition.func for name in fixtures.name2fixturedefs.values() for definition in name] if fixtures else []
    return any(map(_names_processes, [getattr(item, "function", None), *found]))


@cache
def _names_processes(start: Any) -> bool:
    seen, todo = set(), [start]
    while todo:
        found = unwrap(todo.pop())
        if isinstance(found, type):
            todo += [value for value in vars(found).values() if isinstance(value, FunctionType)]
        elif isinstance(found, FunctionType) and found not in seen and found.__code__.co_filename.startswith(TESTS):
            seen.add(found)
            names = set(_names(found.__code__))
            if names & MODULES:
                return True
            used = [found.__globals__.get(name) for name in names]
            todo += [value for value in used if isinstance(value, (FunctionType, type))]
    return False


def _names(code: CodeType) -> Iterator[str]:
    """Names that a function and the functions within it use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
