"""What importing costs, and what the package offers."""

import subprocess
import sys

import pyarrow as pa
import pytest
from one_layer_models import make
from pyarrow import parquet

import textcnn

HEAVY = ("torch", "datasets", "sklearn", "pandas", "pyarrow", "tokenizers")


def test_importing_loads_no_heavy_package():
    code = f"import sys, textcnn; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["config", "labels", "errors", "datasets.catalogue", "models.registry"])
def test_settings_and_tables_are_read_without_torch(module):
    code = f"import sys, textcnn.{module}; print('torch' in sys.modules, 'datasets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_evaluation_knows_no_torch():
    code = "import sys, textcnn.evaluation.metrics, textcnn.evaluation.calibration; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_default_model_answers_without_the_tokenizers_package(core, tmp_path):
    make().save(tmp_path / "model")
    code = (
        f"import sys, textcnn; textcnn.load({str(tmp_path / 'model')!r}).predict(['a good film', 'ünseen ’ 漢'])\n"
        "print('tokenizers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_every_name_it_offers_is_there():
    assert textcnn.__all__ == ["DataWarning", "Predictor", "__version__", "backend_info", "load", "train"]
    for name in textcnn.__all__:
        assert getattr(textcnn, name) is not None


def test_a_name_it_does_not_offer():
    with pytest.raises(
        AttributeError,
        match=r"^module 'textcnn' has no attribute 'trian'; it offers DataWarning, Predictor, __version__, .*, train$",
    ):
        textcnn.trian  # noqa: B018


def test_filtering_parquet_imports_no_pandas(core, tmp_path):
    """It takes a fifth as long to import as 10,000 documents to filter, and ``pyarrow.array`` imports it."""
    make().save(tmp_path / "model")
    parquet.write_table(pa.table({"text": ["a good film", "a bad film"]}), tmp_path / "in.parquet")
    label = make().labels.names[0]
    code = (
        "import sys\nfrom textcnn_cli.main import main\n"
        f"sys.argv[1:] = ['filter', {str(tmp_path / 'model')!r}, {str(tmp_path / 'in.parquet')!r}, '--output',"
        f" {str(tmp_path / 'out')!r}, '--keep', {label!r}, '--min-probability', '0.1']\n"
        "try:\n    main()\nfinally:\n    print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert parquet.read_table(tmp_path / "out" / "in.parquet").num_rows == 2
