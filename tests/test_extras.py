"""Optional packages: what a user reads who has not installed one."""

import sys

import pytest

from textcnn.errors import MissingExtraError, TextCNNError, import_extra


def test_a_module_that_is_there_is_imported():
    assert import_extra("json.decoder", extra="plot", feature="a plot") is sys.modules["json.decoder"]


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_an_absent_package_is_answered_with_the_line_that_installs_it(module):
    with pytest.raises(
        MissingExtraError,
        match=r"^`--plot` needs the package 'no_such_package', which is not installed; "
        r"run: pip install 'textcnn\[plot\]'$",
    ) as caught:
        import_extra(module, extra="plot", feature="`--plot`")
    assert isinstance(caught.value, TextCNNError)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_an_absent_part_of_a_package_is_named_whole():
    with pytest.raises(MissingExtraError, match=r"^a plot needs the package 'json\.no_such_part', which is not"):
        import_extra("json.no_such_part.deeper", extra="plot", feature="a plot")


@pytest.mark.parametrize("absent", ["its_own_dependency", "half_installed.lost_file"])
def test_a_package_that_is_there_but_broken_keeps_its_own_error(tmp_path, monkeypatch, absent):
    package = tmp_path / "half_installed"
    package.mkdir()
    (package / "__init__.py").write_text(f"import {absent}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=absent) as caught:
        import_extra("half_installed.charts", extra="plot", feature="a plot")
    assert not isinstance(caught.value, TextCNNError)
