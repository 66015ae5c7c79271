"""A piece of code that stands behind a promise, and the test that fails without it."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

MODULE = "<module>"
PAINS_TEST = "tests/guarantees/test_pains.py::"


class Guard(NamedTuple):
    """A guard, and how to take it away.

    Attributes:
        pain: number of the pain it is against.
        file: path of its file, from the root of the repository.
        function: qualified name of the function, class or variable that it is a part of; ``<module>`` for statements
            of a module outside all functions and classes; in a TOML file, a key.
        text: the guard, which occurs once within ``function``.
        replacement: the same place without it.
        test: pytest's id of a test that must fail then.
    """

    pain: int
    file: str
    function: str
    text: str
    replacement: str
    test: str

    def removed_from(self, source: str) -> str:
        """The text of the guard's file with the replacement in its place.

        Raises:
            ValueError: if there is not exactly one definition of that name, with exactly one such text in it.
        """
        lines = (_lines_of_key if self.file.endswith(".toml") else _lines_of_definition)(source, self.function)
        starts = [
            found.start()
            for found in re.finditer(re.escape(self.text), source)
            if lines.issuperset(_lines(source, found.start(), found.end()))
        ]
        if len(starts) != 1:
            raise ValueError(
                f"{self.file}, {self.function}: expected the guard {self.text!r} once, found it {len(starts)} times"
            )
        return source[: starts[0]] + self.replacement + source[starts[0] + len(self.text) :]


def _lines(source: str, start: int, end: int) -> range:
    """Numbers of the lines, from 1, that a part of a text touches."""
    return range(source.count("\n", 0, start) + 1, source.count("\n", 0, end - 1) + 2)


def _lines_of_definition(source: str, name: str) -> set[int]:
    """Numbers of the lines of the definition of a qualified name, decorators included."""
    node: ast.AST = ast.parse(source)
    if name == MODULE:
        functions = [child for child in ast.iter_child_nodes(node) if isinstance(child, _SCOPES)]
        return set(_lines(source, 0, len(source))).difference(*map(_span, functions))
    for part in name.split("."):
        found = [child for child in ast.iter_child_nodes(node) if part in _names(child)]
        if len(found) != 1:
            raise ValueError(f"expected one definition of {name!r}, found {len(found)} of {part!r}")
        node = found[0]
    return set(_span(node))


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, _SCOPES):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _span(node: ast.AST) -> range:
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    return range(first, node.end_lineno + 1)


def _lines_of_key(source: str, name: str) -> set[int]:
    """Numbers of the lines of a key whose value is a list over several lines."""
    found = [_lines(source, *match.span()) for match in re.finditer(rf"(?ms)^{re.escape(name)} = \[\n.*?^\]", source)]
    if len(found) != 1:
        raise ValueError(f"expected one list of {name!r}, found {len(found)}")
    return set(found[0])
