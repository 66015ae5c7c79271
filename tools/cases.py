"""Run folders of real situations, each with a ``cmd.txt``, and show what happens next to their ``expected.txt``.

Every folder is copied to a temporary place, and its command is run there by a shell, with this Python's programs first
on the path: ``python tools/cases.py CASES [NAME...]``. A command that asks a ``model`` which neither it nor the folder
makes is given one of :data:`ROWS`. A ``cmd.txt`` that is prose in part has its command in :data:`COMMANDS`. What
:data:`CHECKS` can check mechanically gets a verdict.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 600
ROWS = "text,label\n" + "I love this phone,pos\ngreat battery,pos\nit broke,neg\nreally bad quality,neg\n" * 20
AS_NOBODY = (
    "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search "
    'env -i PATH="$PATH" HOME=/nonexistent'
)
# $PORT is free. A server is asked when it is ready, and stopped by its id.
SERVE = """textcnn serve model --port $PORT >server.txt 2>&1 & server=$!
for _ in $(seq 600); do curl -fs $URL/ready >/dev/null && break; sleep 0.2; done"""
STOP = "kill $server; wait $server; cat server.txt"
COMMANDS = {
    "01": f"""textcnn train train.csv --epochs 2 -o model && mkdir -m 777 writable
alone() {{ {AS_NOBODY} "$@"; echo "code $?"; }}
alone textcnn classify model "I love this phone"
alone textcnn classify model --input many.csv --output writable/answers.csv; wc -l writable/answers.csv
alone textcnn evaluate model train.csv
alone textcnn train train.csv --epochs 2 -o writable/m2
{SERVE.replace("textcnn serve", AS_NOBODY + " textcnn serve", 1)}
curl -s $URL/ready; echo; {STOP}""",
    "19": f"""{SERVE}
for path in / /health /ready /metrics; do curl -sI $URL$path | head -1; done
curl -si -X OPTIONS -H 'Origin: http://a.example' -H 'Access-Control-Request-Method: POST' $URL/classify | head -1
printf '{{"texts":["x"]}}' | gzip >body.gz
curl -s -H 'Content-Type: application/json' -H 'Content-Encoding: gzip' --data-binary @body.gz $URL/classify; echo
printf '\\357\\273\\277{{"texts":["x"]}}' >body.json
curl -s -H 'Content-Type: application/json' --data-binary @body.json $URL/classify; echo
{STOP}; textcnn serve --help | grep -- --allow-origin""",
}
# By the number of a case: regular expressions that its output must have and, after a !, must not have.
CHECKS: dict[str, tuple[str, ...]] = {
    "01": (
        r'(?m)^\{"text": "I love this phone", "label": "pos"',
        r"(?m)^code 0(?s:.*)^241 writable(?s:.*)^saved writable/m2",
        r'(?m)^\{"status": ?"ready"',
        r"!(?m)^code [^0]",
    ),
    "02": (r"\A\['pos', 'neg'\]\n\['pos', 'neg'\]\n5\n\['pos', 'neg'\]\Z",),
    "03": (r"read 80 rows: .*4 labels, multi-label", r"its positions are the labels", r"(?m)^\['0', '1', '2', '3'\]"),
    "04": (
        r"read 80 rows: text='comment', label='toxic'\+'obscene'\+'insult', 3 labels, multi-label",
        r"one_minus_one\.csv:\d+: expected a yes or a no for the label 'toxic'.*found '-1'",
        r"!'1\.0'|\b1\.0 *[│|]",
    ),
    "05": (
        r"hold lists as text",
        r"hold ',': read as several labels, as by --label-separator ','",
        r"read 80 rows: .*3 labels, multi-label(?s:.*)3 labels, multi-label(?s:.*)3 labels, multi-label",
        r"!4 labels",
    ),
    "06": (r"reading news\.csv as csv: text='body'", r'"text": ?"I love this phone"|"body"'),
    "07": (
        r"train\.tsv: 82 rows, 2 labels",
        r'"text": "\\"Great phone", "label": "pos"',
        r"in 1 line quotes do not pair up and were read as text",
    ),
    "08": (r"found byte 0x96 .*--encoding cp1252", r"spam\.csv: 80 rows, 2 labels", r"try --encoding cp1252"),
    "09": (r"(excel\.csv: 80 rows, 2 labels(?s:.*)){2}", r"sep=, gives the delimiter and was skipped"),
    "10": (r"2 labels, single-label", r"'1\.0' is read as '1'"),
    "11": (r"expected labels that occur several times, found 80 different ones", r"column 'id'", r"(?m)^2$"),
    "12": (
        r"reading <stdin> as jsonl: text='text'",
        r"reading <stdin> as csv: text='text'",
        r"reading rows\.txt as csv: text='text'",
        r'(?:(?m:^)\{"text": "great battery and screen", "label": "pos"(?s:.*)){3}',
    ),
    "13": tuple(rf"{name}\.json: 80 rows, 2 labels" for name in ("array", "indented", "columns")),
    "14": (r"1 of 80 cells of 'label' hold '\|': read as part of the name; --multi-label", r"!, multi-label"),
    "15": (r"train\.csv\.zip: 1,600 rows, 2 labels", r'"text": "great battery and screen", "label": "pos"'),
    "16": (r"in\.csv:722: expected 2 cells as in the header, found 3", r"(?m)^2\ntext,label\nprecious,old\Z"),
    "17": (
        r"\A\{\"text\": \"x\", .*\}\n0\nerror: cannot write answers: No space left on device\n2\n",
        r"error: <stdin>: expected texts on standard input, found it closed; name a file\n2\Z",
    ),
    "18": tuple(re.escape(f"[{word!a}]") for word in ("'good'", "'awful'", "'film'", '"don\'t"', "'istanbul'")),
    "19": (
        r"\A(HTTP/1\.1 200 OK\s+){4}HTTP/1\.1 40[35]",
        r"(\"label\": ?\"(pos|neg)\"(?s:.*)){2}",
        r"--allow-origin",
    ),
    "20": (r"\A\Z",),
    "21": (
        r"DataWarning: 10 rows without a label were dropped",
        r"DataWarning: 70 texts occur with different labels",
        r"DataWarning: the labels 'Pos ' and 'pos' differ only by case or blanks",
    ),
    "22": (r"every list of 'label' holds one label: read as single-label", r"every list of 'cats'", r"!, multi-label"),
    "23": (
        r"both\.csv: 160 rows, 2 labels",
        r"1 row that repeats the header was skipped",
        r"read 160 rows: .*2 labels",
    ),
    "24": (
        r"reading news\.csv as csv: text='title', label='tag' \(delimiter ',', encoding utf-8\)",
        r"'body' looks like text too",
        r"reading qnli\.csv as csv: text='sentence', label='label'",
        r"'question' looks like text too",
    ),
}


def run(folder: Path, model: Path) -> tuple[int, str]:
    """The exit code of a folder's command, and all that it said; 124 if it did not end.

    Args:
        folder: is copied.
        model: of :data:`ROWS`; is copied where it is needed.
    """
    with tempfile.TemporaryDirectory(prefix="case-") as place:
        copy = Path(place) / folder.name
        shutil.copytree(folder, copy)
        for part in (Path(place), copy, *copy.rglob("*")):
            part.chmod(part.stat().st_mode | 0o244 | (0o011 if part.is_dir() else 0))
        command = COMMANDS.get(number(folder.name)) or (copy / "cmd.txt").read_text("utf-8")
        if "-o model" not in command and not (copy / "model").exists():
            shutil.copytree(model, copy / "model")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=copy,
                env={**environment(), "PORT": str(port), "URL": f"http://127.0.0.1:{port}"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as err:
            return 124, (err.stdout or b"").decode("utf-8", "replace")
    return done.returncode, done.stdout.decode("utf-8", "replace")


def environment() -> dict[str, str]:
    """Variables of a command, which finds the programs of this Python first."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def number(name: str) -> str:
    """What a case's name begins with."""
    return name.split("-")[0]


def train(folder: Path) -> Path:
    """A model of :data:`ROWS` in a new folder below ``folder``."""
    (folder / "rows.csv").write_text(ROWS, encoding="utf-8")
    command = ["textcnn", "train", "rows.csv", "--epochs", "2", "-o", "model"]
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)
    return folder / "model"


def problems(name: str, output: str) -> list[str] | None:
    """What of the checks of a case does not hold; None where there are none."""
    checks = CHECKS.get(number(name))
    if checks is None:
        return None
    found = []
    for check in checks:
        unwanted = check.startswith("!")
        if bool(re.search(check.removeprefix("!"), output)) == unwanted:
            found.append(f"{'found' if unwanted else 'not found'}: {check.removeprefix('!')}")
    return found + (["a traceback"] if "Traceback (most recent call last)" in output else [])


def main() -> int:
    """Run the cases that are named, or all; 1 if a verdict is that one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path, help="folder of folders with cmd.txt and expected.txt")
    parser.add_argument("names", nargs="*", help="beginnings of the names of those to run; none: all")
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.cases.glob("*/cmd.txt"))
    wanted = [folder for folder in folders if folder.name.startswith(tuple(options.names or [""]))]
    verdicts = {}
    with tempfile.TemporaryDirectory(prefix="cases-") as place:
        model = train(Path(place))
        for folder in wanted:
            code, output = run(folder, model)
            failed = problems(folder.name, output.rstrip())
            verdicts[folder.name] = "to be read" if failed is None else "fails" if failed else "passes"
            print(f"=== {folder.name}: exit code {code}\n{output.rstrip()}")
            print(f"--- expected\n{(folder / 'expected.txt').read_text('utf-8').rstrip()}")
            print("\n".join([f"--- verdict: {verdicts[folder.name]}", *(failed or [])]), flush=True)
    print("\n" + "\n".join(f"{verdict:>10}  {name}" for name, verdict in verdicts.items()))
    return int("fails" in verdicts.values())


if __name__ == "__main__":
    sys.exit(main())
