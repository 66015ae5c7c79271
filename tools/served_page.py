"""Draw docs/figures/served-page.png: the page of `textcnn serve`, in Chromium without a window.

``python tools/served_page.py MODEL docs/figures/served-page.png``; needs the package `playwright` and a Chromium. The
model of the picture: ``textcnn train sst2/train.csv.gz --preset fast --epochs 3 --seed 1 -o reviews-model``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

TEXT = "A wonderful cast, and some funny scenes, but the story is dull and far too long."


def main(model: str, picture: str) -> None:
    """Start a server for ``model``, type a text into its page, and save what the page shows."""
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log, Path(log.name).open("w") as out:
        serve = [sys.executable, "-m", "textcnn_cli", "serve", model, "--port", "0"]
        server = subprocess.Popen(serve, stderr=out)
        try:
            while "ready: " not in (said := Path(log.name).read_text()):
                assert server.poll() is None, said
                time.sleep(0.1)
            address = next(word for word in said.split() if word.startswith("http://"))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 900, "height": 580})
                page.goto(address)
                page.fill("#text", TEXT)
                page.wait_for_selector("mark.for >> nth=1")
                page.wait_for_load_state("networkidle")
                page.screenshot(path=picture)
                browser.close()
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main(*sys.argv[1:])
