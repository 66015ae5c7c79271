"""The pandas function in a real Spark with Python workers of its own."""

import importlib.util
import os
import shutil
import sys

import pyarrow as pa
import pytest
from page_reader import DOCS, blocks
from pyarrow import parquet
from skipping import skip_without

import textcnn
from textcnn.errors import ConfigError
from textcnn.prediction.answers import answers_of

pytestmark = pytest.mark.filterwarnings("ignore")  # pyspark's own


@pytest.fixture(scope="module")
def spark():
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("needs java")
    skip_without(importlib.util.find_spec("pyspark") is not None, "pyspark")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    settings = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    builder = SparkSession.builder.master("local[2]")
    for name, value in {**settings, "spark.sql.execution.arrow.maxRecordsPerBatch": "50"}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def test_a_column_of_answers(spark, model):
    from textcnn.cluster.spark import classify_udf

    texts = [("" if n % 11 == 0 else f"a {'good' if n % 3 else 'bad'} film {n}") for n in range(300)]
    frame = spark.createDataFrame([(n, text or None) for n, text in enumerate(texts)], "id: int, text: string")
    rows = frame.repartition(2).withColumn("answer", classify_udf(model, top_k=2)("text")).orderBy("id").collect()
    assert [row.id for row in rows] == list(range(300))
    predictor = textcnn.load(model)
    expected = list(answers_of(predictor.labels, predictor.answer(texts), top_k=2))
    assert [row.answer.asDict(recursive=True) for row in rows] == expected


def test_the_page_says_what_works(spark, model, tmp_path):
    (tmp_path / "reviews").mkdir()
    texts = ["a good film", "a bad film"]
    parquet.write_table(pa.table({"id": [1, 2], "text": texts}), tmp_path / "reviews" / "a.parquet")
    (code,) = [content for kind, content in blocks(DOCS / "cluster.md") if kind == "python"]
    places = {"/shared/model": model, '"reviews/"': f'"{tmp_path}/reviews"', '"answers/"': f'"{tmp_path}/answers"'}
    for written, place in places.items():  # Java has a working directory of its own
        assert written in code
        code = code.replace(written, str(place))
    exec(code, {})
    rows = sorted(parquet.read_table(tmp_path / "answers").to_pylist(), key=lambda row: row["id"])
    assert [row["label"] for row in rows] == textcnn.load(model).predict(texts)


def test_what_cannot_be_asked_for(model):
    skip_without(importlib.util.find_spec("pyspark") is not None, "pyspark")
    from textcnn.cluster.spark import classify_udf

    with pytest.raises(ConfigError, match="top_k must be 1 or more, got 0"):
        classify_udf(model, top_k=0)
    with pytest.raises(ConfigError, match="threshold must be in"):
        classify_udf(model, threshold=0.5)
