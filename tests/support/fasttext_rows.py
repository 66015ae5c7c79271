"""Lines with labels as fastText writes them, for models that are trained in a moment."""

WORDS = {"good": "a fine warm film", "bad": "a dull cold film", "long": "hours and hours of a film"}
LINES = [f"__label__{label} {text} number {n}" for n in range(12) for label, text in WORDS.items()]
QUICK = {"epoch": 4, "thread": 1}


def write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)
