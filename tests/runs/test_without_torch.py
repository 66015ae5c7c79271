"""A run on weights by name, all but its training: no heavy library is imported from the rows to the saved folder."""

import subprocess
import sys

ROAD = """
import sys
from pathlib import Path
from textcnn.config import Config
from textcnn.prediction.artifact import Artifact
from textcnn.prediction.predictor import Predictor
from textcnn.runs.core_run import first_weights
from textcnn.runs.finish import limit_wide
from textcnn.runs.ensemble import train_members
from textcnn.runs.prepare import prepare_text
from textcnn.runs.finish import finish_run
from textcnn.runs.text import add_evidence
from textcnn.training.result import Learned
from textcnn.training.loop import Fit
from textcnn.progress import Silent

folder = Path(sys.argv[1])
rows = [(f"{word} film number {n}", label) for n in range(20) for word, label in (("good", "pos"), ("bad", "neg"))]
(folder / "rows.csv").write_text("text,label\\n" + "".join(f"{text},{label}\\n" for text, label in rows))
(folder / "vectors.txt").write_text("good 1 2 3\\nbad 3 2 1\\n")
given = {"num_filters": 4, "nested": False, "ensemble": 2, "vectors": str(folder / "vectors.txt")}
prepared = prepare_text(
    str(folder / "rows.csv"), Config.from_flat(given), Silent(), dev=str(folder / "rows.csv"), test=rows
)

def train(training):
    return first_weights(prepared, training.seed), Learned(Fit(best_epoch=1), 1)

weights, shape, learned = train_members(prepared.config, train, Silent())
artifact = Artifact(weights, prepared.inputs, prepared.labels, shape)
others = limit_wide(artifact, dict(prepared.others), 0.0005, Silent())
assert artifact.weights["wide.table.weight"].dtype == "float16"
run = finish_run(artifact, learned, prepared.train, others, prepared.config, source=prepared.source)
assert run.summary["test"]["accuracy"] > 0.9  # by naive Bayes
add_evidence(artifact, prepared)
run.predictor.save(folder / "model")
asked = [text for text, _ in rows]
assert (Predictor.load(folder / "model").predict_proba(asked) == run.predictor.predict_proba(asked)).all()
print(*sorted({"torch", "sklearn", "scipy", "datasets"} & set(sys.modules)))
"""


def test_nothing_heavy_is_imported_from_the_rows_to_the_folder(tmp_path):
    found = subprocess.run([sys.executable, "-c", ROAD, str(tmp_path)], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []
