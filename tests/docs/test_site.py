"""The site builds without the network, no link of it leads nowhere, and it loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_site_builds(tmp_path):
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    # A proxy that is not there: who asks the network fails.
    env = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix(): path for path in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "tutorial.html", "howto.html", "cnn.html", "reference.html", "explain.html"} <= set(pages)
    for name, path in pages.items():
        html = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)\b[^>]*\bsrc=\"?([^\"\s>]+)", html)
        loaded += re.findall(r"<link\b[^>]*\brel=\"?(?:stylesheet|preload|icon)\"?[^>]*\bhref=\"?([^\"\s>]+)", html)
        assert [url for url in loaded if "//" in url] == [], name
    reference = pages["reference.html"].read_text(encoding="utf-8")
    for documented in ("textcnn.api.train", "Predictor.from_pretrained", "TextCNNClassifier", "TrainingConfig"):
        assert f'id="{documented}' in reference or f"{documented}" in reference, documented
    assert "epochs=5" in reference, "the docstring of train"
