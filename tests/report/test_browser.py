"""The page as a reader sees it: in a real browser, on a desk and on a phone, in light and dark."""

import pytest

import textcnn
from textcnn.report import with_reasons, write_report

SIZES = {"desk": (1280, 900), "phone": (375, 740)}
NUMBERS = ".match(/\\d+/g).slice(0, 3).map(Number)"  # red, green and blue of "rgb(r, g, b)"


@pytest.fixture(scope="module", params=["single", "multi"])
def path(request, models, reports, tmp_path_factory):
    report = with_reasons(reports[request.param], textcnn.load(models / request.param))
    return write_report(report, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page_renders_without_a_complaint(browser, path, size, scheme):
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert page.title().endswith(": report")  # what a script in a label or text would have changed
    assert page.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out
    pictures = page.locator("svg")
    assert pictures.count() == (6 if "single" in path.parent.name else 5)  # one with the curve of sure answers
    for number in range(pictures.count()):
        box = pictures.nth(number).bounding_box()
        assert box["width"] > 250
        assert box["height"] > 150
        assert pictures.nth(number).locator("path").count() > 5
    paper = page.evaluate(f"getComputedStyle(document.body).backgroundColor{NUMBERS}")
    assert (min(paper) > 127) == (scheme == "light")
    # A picture has the colours of the page, and its letters can be read on it.
    ink = page.evaluate(f"getComputedStyle(document.querySelector('svg text')).fill{NUMBERS}")
    assert (max(ink) < 127) == (scheme == "light")
    page.close()
