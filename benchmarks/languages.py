"""Language identification, compared with fastText: `python -m benchmarks.languages FOLDER`.

FOLDER holds `train/LANGUAGE.txt` and `test/LANGUAGE.txt`, a sentence a line. With --catalogs they are first made of the
translated messages of programs (gettext), of which Debian has some in /usr/share/locale: a fifth of the messages, in
all languages, are test sentences, so no message is in both parts, and a sentence of two languages is in neither.
"""

from __future__ import annotations

import gettext
import json
import random
import re
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated, Any

import typer

import textcnn
from benchmarks.command import Output, Table, main, words_of, write_outputs
from benchmarks.editions import run
from textcnn.benchmark.baselines import interpreter
from textcnn.benchmark.document import describe_machine
from textcnn.errors import DataError

LEAST_BYTES, LEAST_SENTENCES = 24, 500
MOST = {"train": 1_000, "test": 300}  # sentences of a language
TEST_SHARE = 5  # one message in five
# From fastText's page on language identification: -dim 16 -minn 2 -maxn 4 -loss hs.
FASTTEXT = {
    "fastText, own settings": {"dim": 16, "minn": 2, "maxn": 4, "loss": "hs"},
    "fastText, softmax": {"dim": 16, "minn": 2, "maxn": 4, "loss": "softmax"},
}
SCRIPT = Path(__file__).with_name("fasttext_files.py")
_MARKUP = re.compile(r"<[^>]*>|%[-\d.$]*[a-zA-Z]+|\{[^}]*\}|\\.|&[a-z]+;|\s+")


def main_study(
    folder: Annotated[Path, typer.Argument(help="folder of train/LANGUAGE.txt and test/LANGUAGE.txt")],
    catalogs: Annotated[Path | None, typer.Option(help="make them of the gettext catalogs of this folder")] = None,
    seed: Annotated[int, typer.Option(help="seed of the training")] = 1,
    json_: Annotated[bool, typer.Option("--json", help="print the JSON document")] = False,
    output: Output = None,
    table: Table = None,
) -> None:
    """Train on a folder of language files, and compare with fastText on the same files."""
    if catalogs is not None:
        write_languages(catalogs, folder)
    parts = {part: read_languages(folder / part) for part in MOST}
    document = {
        "benchmark": "languages",
        "command": words_of("languages"),
        "machine": describe_machine(),
        "languages": len(set(parts["train"][1])),
        "sentences": {part: len(texts) for part, (texts, _) in parts.items()},
        "seed": seed,
        "systems": {"textcnn, default": ours(parts, seed), **{n: fasttext(parts, s) for n, s in FASTTEXT.items()}},
    }
    write_outputs(document, to_markdown, output, table, json_)


def write_languages(catalogs: Path, folder: Path) -> None:
    """Write the sentences of all languages that have enough of them.

    Raises:
        DataError: there is no such language.
    """
    found: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: {part: {} for part in MOST})
    languages: Counter[str] = Counter()
    for path in sorted(catalogs.glob("*/LC_MESSAGES/*.mo")):
        language = path.parent.parent.name
        if "@" in language or language.startswith("en"):
            continue
        for message, translated in _messages(path).items():
            name = message[0] if isinstance(message, tuple) else message
            text = _MARKUP.sub(" ", translated.replace("_", "").replace("&", "")).strip()
            if not name or translated == name or len(text.encode()) < LEAST_BYTES:
                continue
            part = "train" if zlib.crc32(name.encode()) % TEST_SHARE else "test"
            if text not in found[language][part]:
                found[language][part][text] = None
                languages[text] += 1
    written = 0
    for language, parts in sorted(found.items()):
        own = {part: [text for text in texts if languages[text] == 1] for part, texts in parts.items()}
        if len(own["train"]) < LEAST_SENTENCES:
            continue
        written += 1
        for part, texts in own.items():
            random.Random(0).shuffle(texts)
            (folder / part).mkdir(parents=True, exist_ok=True)
            lines = "".join(f"{text}\n" for text in texts[: MOST[part]])
            (folder / part / f"{language}.txt").write_text(lines, encoding="utf-8")
    if not written:
        raise DataError(
            f"expected catalogs with {LEAST_SENTENCES:,} sentences of a language, found none", path=catalogs
        )


def _messages(path: Path) -> dict[Any, str]:
    """The translations of a catalog by message; none if it is damaged or has another encoding than it names."""
    try:
        with path.open("rb") as file:
            found: dict[Any, str] = getattr(gettext.GNUTranslations(file), "_catalog")  # noqa: B009
    except (ValueError, IndexError, OSError):
        return {}
    return found


def read_languages(folder: Path) -> tuple[list[str], list[str]]:
    """The sentences of a folder of language files, in mixed order, and the language of each.

    Raises:
        DataError: there is no such file.
    """
    rows = [(line, path.stem) for path in sorted(folder.glob("*.txt")) for line in path.read_text("utf-8").splitlines()]
    if not rows:
        raise DataError("expected files LANGUAGE.txt, found none", path=folder)
    random.Random(0).shuffle(rows)
    texts, languages = zip(*rows, strict=True)
    return list(texts), list(languages)


Parts = dict[str, tuple[list[str], list[str]]]


def ours(parts: Parts, seed: int) -> dict[str, Any]:
    """What the default model reaches: accuracy, seconds, bytes of its folder."""
    with tempfile.TemporaryDirectory() as place:
        model, began = Path(place) / "model", time.perf_counter()
        textcnn.train(parts["train"], output=model, seed=seed)
        trained = time.perf_counter() - began
        predictor, began = textcnn.load(model), time.perf_counter()
        answers = predictor.predict(parts["test"][0])
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in model.iterdir())
    return _scored(answers, parts["test"][1], trained, seconds, size)


def fasttext(parts: Parts, settings: dict[str, Any]) -> dict[str, Any]:
    """What fastText reaches with these settings, on the same sentences as they are."""
    with tempfile.TemporaryDirectory() as place:
        lines, model, texts, rows = (Path(place) / name for name in ("train.txt", "model.bin", "test.txt", "rows"))
        labelled = zip(*parts["train"], strict=True)
        lines.write_text("".join(f"__label__{language} {text}\n" for text, language in labelled), encoding="utf-8")
        texts.write_text("".join(f"{text}\n" for text in parts["test"][0]), encoding="utf-8")
        given = json.dumps({**settings, "thread": 2, "seed": 0})
        answer = json.loads(run([interpreter(), SCRIPT, "train", lines, model, given], {}, Path(place)))
        began = time.perf_counter()
        run([interpreter(), SCRIPT, "classify", model, texts, rows], {}, Path(place))
        seconds = time.perf_counter() - began
        answers = [json.loads(line)["label"] for line in rows.read_text("utf-8").splitlines()]
        return _scored(answers, parts["test"][1], answer["seconds"], seconds, model.stat().st_size)


def _scored(answers: list[Any], truth: list[str], trained: float, seconds: float, size: int) -> dict[str, Any]:
    right: Counter[str] = Counter()
    for answer, language in zip(answers, truth, strict=True):
        right[language] += answer == language
    shares = {language: right[language] / count for language, count in sorted(Counter(truth).items())}
    return {
        "accuracy": right.total() / len(truth),
        "mean_recall": sum(shares.values()) / len(shares),
        "worst": dict(sorted(shares.items(), key=lambda item: item[1])[:5]),
        "training_seconds": trained,
        "classifying_seconds": seconds,
        "megabytes": size / 1e6,
    }


def to_markdown(document: dict[str, Any]) -> str:
    """The document as a table."""
    sentences, other = document["sentences"], document["machine"]["other_work"]
    lines = [
        "# Language identification",
        "",
        f"Made by `make languages`: {document['languages']} languages, {sentences['train']:,} sentences to train on "
        f"and {sentences['test']:,} others to test on; seconds with {other} other threads running.",
        "",
        "| | accuracy | mean recall | worst languages | training s | classifying s | MB |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for name, found in document["systems"].items():
        worst = ", ".join(f"{language} {share:.0%}" for language, share in found["worst"].items())
        lines.append(
            f"| {name} | {found['accuracy']:.2%} | {found['mean_recall']:.2%} | {worst} | "
            f"{found['training_seconds']:.1f} | {found['classifying_seconds']:.1f} | {found['megabytes']:.1f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(main_study)
