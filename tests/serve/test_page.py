"""The page in a real browser: as somebody types, pastes, uploads, compares; on a desk and on a phone."""

import csv
import io
import os

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
SIZES = {"desk": (1280, 900), "phone": (375, 740)}
NUMBERS = ".match(/\\d+/g).slice(0, 3).map(Number)"
SHOTS = os.environ.get("TEXTCNN_SCREENSHOTS")  # a folder to look at


@pytest.fixture
def visit(browser, server):
    """Open the page; at the end nothing may have complained, left the server, or taken the title."""
    pages = []

    def open_page(path="/", size="desk", scheme="light", title="textcnn"):
        width, height = SIZES[size]
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{server.port}{path}")
        pages.append((page, said, asked, title))
        return page

    yield open_page
    for page, said, asked, title in pages:
        assert said == []
        assert [url for url in asked if not url.startswith((f"http://127.0.0.1:{server.port}/", "blob:"))] == []
        assert page.title() == title
        page.close()


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def label(page, number=0):
    return page.locator("#answers .label").nth(number).inner_text()


def wait_for_label(page, name):
    page.locator("#answers .label").first.filter(has_text=name).wait_for()


def test_label_and_words_change_while_somebody_types(visit):
    page = visit()
    page.get_by_label("Text", exact=True).press_sequentially("a good film")
    wait_for_label(page, "pos")
    assert page.get_by_role("status").first.inner_text().startswith("single: pos, ")
    assert "good" in " ".join(page.locator("mark.for[title]").all_inner_texts())
    assert page.locator(".highlighted").inner_text() == "a good film"
    assert page.locator(".probabilities tr").count() == 2
    shoot(page, "one-light")
    page.locator("#text").fill("😀 a bad film")  # places in the text are of characters, not of UTF-16 units
    wait_for_label(page, "neg")
    assert "bad" in " ".join(page.locator("mark.for[title]").all_inner_texts())
    assert "�" not in page.locator(".highlighted").inner_text()
    page.locator("#text").fill("")
    page.locator("#answers article").first.wait_for(state="detached")


def test_requests_wait_for_a_pause_in_typing(visit):
    page = visit()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.locator("#text").press_sequentially("a good film with a long title", delay=5)
    wait_for_label(page, "pos")
    assert len(asked) <= 4  # not one for each of 29 letters


def test_what_somebody_writes_is_never_html(visit):
    page = visit()
    page.locator("#model").select_option("multi")  # one of its labels is evil
    page.locator("#text").fill(f"bad film {EVIL}")
    page.locator("#answers article").wait_for()
    assert page.locator(".highlighted").inner_text() == f"bad film {EVIL}"
    page.locator("#lines").fill(f"{EVIL}\nbad film")
    page.get_by_role("button", name="Classify the lines").click()
    page.get_by_text("2 rows classified").wait_for()
    assert page.locator("#rows td").first.inner_text() == EVIL
    assert page.locator("main img, main script").count() == 0


def test_two_models_side_by_side(visit):
    page = visit()
    page.locator("#text").fill("a good film")
    wait_for_label(page, "pos")
    page.get_by_label("Compare with").select_option("multi")
    page.locator("#answers article").nth(1).wait_for()
    assert label(page) == "pos"
    assert "glad" in label(page, 1)
    page.locator("#lines").fill("a good film\na bad film\n\n")
    page.get_by_role("button", name="Classify the lines").click()
    page.get_by_text("2 rows classified, 2 with different labels").wait_for()
    shoot(page, "compare-light")


def test_a_thousand_rows_come_back_with_labels(visit, tmp_path):
    rows = [[str(n), f'a {"good" if n % 3 else "bad"} "film", {n}\nof two lines', "x;y"] for n in range(1000)]
    path = tmp_path / "films.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["label", "review", "other"], *rows])
    page = visit()
    page.locator("#file").set_input_files(path)
    page.get_by_text("1000 rows in films.csv").wait_for()
    assert page.locator("#column option:checked").inner_text() == "review"
    page.get_by_role("button", name="Classify the rows").click()
    page.get_by_text("1000 rows classified").wait_for()
    shoot(page, "file-light")
    with page.expect_download() as caught:
        page.get_by_role("link", name="Download with labels").click()
    assert caught.value.suggested_filename == "films-labels.csv"
    with open(caught.value.path(), encoding="utf-8-sig", newline="") as file:
        found = list(csv.reader(io.StringIO(file.read())))
    assert found[0] == ["label", "review", "other", "model_label", "probability"]
    assert [row[:3] for row in found[1:]] == rows
    assert all(row[3] == ("pos" if n % 3 else "neg") for n, row in enumerate(found[1:]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text\n\xff\n", "the file is not UTF-8"),
        (b"text\n", "expected a header line and rows below it"),
        (b'text\n"open\n', "opened and never closed"),
        (b"text\na,b\n", "row 1 has 2 cells, the header line has 1"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(visit, content, message):
    page = visit()
    page.locator("#file").set_input_files({"name": "x.csv", "mimeType": "text/csv", "buffer": content})
    assert message in page.get_by_role("alert").inner_text()
    assert page.get_by_role("button", name="Classify the rows").is_disabled()


def test_a_text_beyond_the_limit_is_said(visit, browser, server):
    page = browser.new_page()  # the refusal is in the console too
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.locator("#text").fill("x" * 1001)
    page.get_by_role("alert").get_by_text("at most 1,000 characters").wait_for()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_sticks_out_and_colours_follow(visit, size, scheme):
    page = visit(size=size, scheme=scheme)
    page.get_by_label("Compare with").select_option("multi")
    page.locator("#text").fill("a good film but a bad end " + "x" * 80)
    page.locator("#answers article").nth(1).wait_for()
    page.locator("#lines").fill("a good film\n" + "y" * 200)
    page.get_by_role("button", name="Classify the lines").click()
    page.get_by_text("2 rows classified").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
    paper = "getComputedStyle(document.body).backgroundColor" + NUMBERS
    assert (min(page.evaluate(paper)) > 127) == (scheme == "light")
    shoot(page, f"{size}-{scheme}")
    page.get_by_role("button", name="Dark").click()
    assert (min(page.evaluate(paper)) > 127) == (scheme == "dark")


def test_the_keyboard_reaches_everything_and_everything_has_a_name(visit):
    page = visit()
    page.locator("#text").fill("a good film")
    wait_for_label(page, "pos")
    reached = []
    page.evaluate("document.activeElement.blur()")
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"A", "model", "other", "scheme", "text", "SUMMARY", "lines", "classify-lines", "file"} <= set(reached)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select, textarea')]"
        ".filter((one) => !one.labels.length && !one.ariaLabel).map((one) => one.id)"
    )
    assert unnamed == []


def test_the_interface_is_described_on_a_page(visit):
    page = visit("/docs", title="textcnn: HTTP API")
    page.get_by_role("heading", name="POST /classify").wait_for()
    assert "the texts to classify" in page.locator("main").inner_text()
    shoot(page, "docs")


def test_a_server_with_a_token_asks_for_it(browser, models, serving):
    with serving(models / "single", "--token-variable", "WORD", WORD="sesame") as closed:
        page = browser.new_page()  # the first 401 is in the console
        page.goto(f"http://127.0.0.1:{closed.port}/")
        page.get_by_label("Token of this server").fill("sesame")
        page.get_by_role("button", name="Use it").click()
        page.locator("#model option").first.wait_for(state="attached")
        page.locator("#text").fill("a good film")
        wait_for_label(page, "pos")
        assert page.get_by_role("alert").count() == 0
        page.close()
