"""Models travel to a hub and back: a stand-in on the loopback, the client's own cache, tokens of the environment."""

import json
import os

import pytest
import yaml
from hub_stand_in import TOKEN, forget_connections, hub, the_only_hub
from one_layer_models import make

import textcnn
from textcnn.errors import ArtifactError, ConfigError, MissingExtraError
from textcnn.folder import hub as models
from textcnn.folder.card import model_card
from textcnn.prediction.predictor import Predictor
from textcnn.serve.settings import model_sources

TEXTS = ["a good film", "", "never seen"]


@pytest.fixture
def there(monkeypatch, tmp_path):
    """A hub, which the client takes for the only one; its cache is empty, and a login is not known."""
    constants = pytest.importorskip("huggingface_hub.constants")
    with hub() as server:
        the_only_hub(server, tmp_path / "cache", monkeypatch)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "login"))
        (tmp_path / "login").write_text("hf_of_a_login")
        yield server


@pytest.fixture
def folder(tmp_path):
    artifact = make()
    artifact.training = {
        "data": {"name": str(tmp_path / "reviews" / "train.csv"), "fingerprint": "f"},
        "examples": {"train": 120},
        "test": {"n": 9, "accuracy": 0.9, "macro_f1": 0.8, "ece": 0.1, "per_label": {
            "/pos": {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 4}}},
        "config": {"model": {"vectors": str(tmp_path / "glove.txt")}, "data": {"text_column": ["/a"]}},
    }  # fmt: skip
    return artifact.save(tmp_path / "model")


@pytest.fixture
def writer(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.mark.slow
def test_there_and_back(there, folder, writer, monkeypatch):
    page = models.push(folder, "somebody/reviews", message="first")
    assert page == f"{there.url}/somebody/reviews"
    repository = there.repositories["somebody/reviews"]
    assert (repository.private, repository.messages) == (True, ["first"])
    expected = textcnn.load(folder).predict_proba(TEXTS)
    for found in (
        Predictor.from_pretrained("somebody/reviews"),
        Predictor.from_pretrained("hf://somebody/reviews", runtime="torch"),
        textcnn.load("hf://somebody/reviews"),
        textcnn.load(f"hf://somebody/reviews@{repository.head}"),
        Predictor.from_pretrained("somebody/reviews", revision=repository.head),
        Predictor.from_pretrained(folder),
    ):
        assert found.predict_proba(TEXTS) == pytest.approx(expected, abs=1e-6)
    assert there.tokens - {None} == {f"Bearer {TOKEN}"}  # and not that of the login
    assert [source.name for source in model_sources(["hf://somebody/reviews", "x=hf://somebody/reviews"])] == [
        "reviews", "x",
    ]  # fmt: skip


def test_what_was_fetched_is_there_without_the_hub(there, folder, writer, monkeypatch):
    models.push(folder, "somebody/reviews")
    expected = Predictor.from_pretrained("somebody/reviews").predict(TEXTS)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    forget_connections()
    asked = len(there.asked)
    assert Predictor.from_pretrained("somebody/reviews").predict(TEXTS) == expected
    assert len(there.asked) == asked
    with pytest.raises(ArtifactError, match=r"expected the model 'somebody/other' on the Hugging Face hub, found: "):
        Predictor.from_pretrained("somebody/other")


def test_nothing_of_this_machine_goes_along(there, folder, writer, tmp_path):
    models.push(folder, "somebody/reviews", private=False)
    repository = there.repositories["somebody/reviews"]
    assert not repository.private
    files = repository.files("main")
    assert set(files) == {path.name for path in folder.iterdir()}
    assert not [name for name, data in files.items() if str(tmp_path).encode() in data]
    training = json.loads(files["training.json"])
    assert (training["data"]["name"], training["config"]["model"]["vectors"]) == ("train.csv", "glove.txt")
    assert training["config"]["data"]["text_column"] == ["/a"]  # no file
    assert "/pos" in training["test"]["per_label"]


def test_a_second_push_replaces_all_files_of_the_first(there, folder, writer):
    (folder / "evidence.safetensors").write_bytes(b"old")
    models.push(folder, "somebody/reviews")
    repository = there.repositories["somebody/reviews"]
    assert "evidence.safetensors" in repository.files("main")
    (folder / "evidence.safetensors").unlink()
    models.push(folder, "somebody/reviews")
    assert "evidence.safetensors" not in repository.files("main")


def test_a_predictor_pushes_itself(there, writer):
    predictor = Predictor(make())
    assert predictor.push_to_hub("somebody/mine", message="hello").endswith("/somebody/mine")
    assert there.repositories["somebody/mine"].messages == ["hello"]
    assert Predictor.from_pretrained("somebody/mine").predict(TEXTS) == predictor.predict(TEXTS)


def test_only_a_token_of_the_environment_is_shown(there, folder, writer, monkeypatch):
    models.push(folder, "somebody/reviews")
    there.tokens.clear()
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ArtifactError, match="a token in the variable HF_TOKEN") as caught:
        Predictor.from_pretrained("somebody/reviews")
    assert there.tokens == {None}
    with pytest.raises(ConfigError, match="needs a token that may write; put it into the variable HF_TOKEN"):
        models.push(folder, "somebody/reviews")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ArtifactError, match=r"the hub did not take '.*model' as 'somebody/new': ") as refused:
        models.push(folder, "somebody/new")
    assert "hf_" not in str(caught.value) + str(refused.value)


@pytest.mark.parametrize("name", ["hf://one", "hf://", "hf://a/b/c", "hf://a/b@", "hf://a b/c"])
def test_a_name_that_is_none(name):
    with pytest.raises(ConfigError, match=r"expected hf://owner/name or hf://owner/name@revision, found '"):
        textcnn.load(name)


def test_a_place_that_is_none(folder, writer):
    with pytest.raises(ConfigError, match="expected owner/name, the place on the hub, found 'reviews'"):
        models.push(folder, "reviews")
    with pytest.raises(ConfigError, match=r"a revision is of a model owner/name of the hub, got '.*model' and 'v1'"):
        Predictor.from_pretrained(folder, revision="v1")
    with pytest.raises(ArtifactError, match="expected a model folder at 'nowhere', found none"):
        models.push("nowhere", "somebody/reviews")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"a model of the hub needs .* pip install 'textcnn\[hub\]'"):
        textcnn.load("hf://somebody/reviews")


def test_the_front_matter_is_what_the_hub_reads(there, folder, writer):
    models.push(folder, "somebody/reviews")
    card = there.repositories["somebody/reviews"].files("main")["README.md"].decode()
    import huggingface_hub

    data = huggingface_hub.ModelCard(card).data
    assert (data.library_name, data.pipeline_tag, data.model_name) == ("textcnn", "text-classification", "reviews")
    found = {(r.metric_type, r.dataset_name, r.dataset_split): r.metric_value for r in data.eval_results}
    assert found == {("accuracy", "train.csv", "test"): 0.9, ("f1", "train.csv", "test"): 0.8}
    assert 'textcnn.load("hf://somebody/reviews")' in card
    assert "| test | 9 | 0.9000 | 0.8000 | 0.100 |" in card
    assert "| `/pos` | 0.5000 | 0.2500 | 0.3333 | 4 |" in card


@pytest.mark.parametrize("name", ['a "b": [c]', "#x\n- y", "ünï 😀", os.path.abspath("a: b/c"), "hf://owner/set/train"])
def test_any_name_of_data_is_a_string_of_yaml(name):
    config = make().describe()
    training = {"data": {"name": name}, "dev": {"n": 1, "accuracy": 1.0, "macro_f1": 1.0}}
    head = yaml.safe_load(model_card(config, training).split("---\n")[1])
    shown = head["model-index"][0]["results"][0]["dataset"]["name"]
    assert shown == (name if not os.path.isabs(name) else "/".join(name.split("/")[-2:]))
    assert head.get("datasets") == (["owner/set"] if name.startswith("hf://") else None)
