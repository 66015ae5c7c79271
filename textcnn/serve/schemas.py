"""Defines the schemas of requests and responses, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from textcnn.serve.http_errors import Refusal
from textcnn.serve.models import Question
from textcnn.serve.settings import Limits


def _whole(value: Any) -> Any:
    """Return a number without a fraction as an integer, which it is in JSON Schema: 3.0 is 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class ClassifyRequest(BaseModel):
    """A request to classify texts."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: list[str] = Field(description="the texts to classify; the response has one row for each, in order")
    model: str | None = Field(None, description="name of the model; default: the first model of the server")
    top_k: Annotated[int | None, BeforeValidator(_whole)] = Field(
        None, ge=1, description="number of labels to list, the most probable first"
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="probability from which labels are assigned (multi-label)"
    )
    explain: bool | Literal["all", "full"] = Field(
        False,
        description="attributions: true, the strongest of the predicted label; all, of all labels; "
        "full, every attribution of the predicted label",
    )

    none_of_these: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="flag texts of none of the labels; this share of texts like the held-out rows is not",
    )

    min_probability: float | None = Field(
        None,
        ge=0,
        le=1,
        description="flag texts below this probability as unsure; of labels of a tree, answer the deepest node that "
        "reaches it",
    )
    min_accuracy: float | None = Field(
        None,
        gt=0,
        le=1,
        description="instead of min_probability: as sure that this share of the answers is right, by held-out rows",
    )

    def question(self) -> Question:
        """Return the options for each text."""
        explain = "predicted" if self.explain is True else self.explain or ""
        sure = self.min_probability, self.min_accuracy
        return Question(self.top_k, self.threshold, explain, self.none_of_these, *sure)


class LabelEntry(BaseModel):
    """A label and its probability."""

    label: str
    probability: float


class ClassifyRow(BaseModel):
    """The answer to one text, as `textcnn classify` writes it."""

    text: str
    label: str | None = Field(None, description="the most probable label; of models of labels, always")
    probability: float | None = Field(None, description="its probability")
    score: float | None = Field(None, description="models of numbers: the number, if the model has one target")
    scores: dict[str, float] | None = Field(None, description="models of numbers: those of several targets, by name")
    level: int | None = Field(None, description="labels of a tree: level of the label, 1 below the root; 0: unsure")
    path: list[LabelEntry] | None = Field(
        None, description="labels of a tree: its most probable nodes from level 1 down, if top_k was given"
    )
    probabilities: dict[str, float] | None = Field(None, description="models of grades: how probable each grade is")
    top: list[LabelEntry] | None = Field(None, description="the most probable labels, if top_k was given")
    labels: list[LabelEntry] | None = Field(None, description="multi-label models: labels that reach their threshold")
    certified: bool | None = Field(None, description="int8: whether the label is provably that of float32")
    flags: list[str] = Field(
        description="empty: the text has no token; cut: it is longer than the model reads; none_of_these: it is like "
        "none of the labels' texts, if none_of_these was given; unsure: it is below min_probability, if that was given"
    )
    explanation: Any = Field(None, description="the attributions, if explain was given; see docs/explain.md")


class ClassifyResponse(BaseModel):
    """The answers to a request, one row for each text, in order."""

    model: str
    results: list[ClassifyRow]


class TreeNode(BaseModel):
    """A node of the tree of labels, and its level: 1 below the root."""

    label: str
    level: int


class TargetEntry(BaseModel):
    """A number that a model predicts, and its least and largest value among the training rows."""

    name: str
    low: float
    high: float


class LabelsResponse(BaseModel):
    """The labels and settings of a model, and the limits of requests."""

    model: str
    labels: list[str]
    problem_type: str
    thresholds: list[float] = Field(description="multi-label models: probability from which each label is assigned")
    tree: list[TreeNode] | None = Field(None, description="nodes of a tree of labels, each before those below it")
    targets: list[TargetEntry] = Field(description="models of numbers: each target with its range in training")
    runtime: str
    models: list[str] = Field(description="names of all models; the first is the default")
    limits: dict[str, float]


class ErrorDetail(BaseModel):
    """One problem of a request, by field."""

    field: str
    problem: str


class ErrorBody(BaseModel):
    """The reason why a request was refused."""

    code: str
    message: str
    details: list[ErrorDetail] | None = None


class ErrorResponse(BaseModel):
    """The body of every error response."""

    error: ErrorBody


class HealthResponse(BaseModel):
    """The response of a process that is alive."""

    status: str
    version: str


class ReadyResponse(BaseModel):
    """The response of a server that is ready to answer requests."""

    status: str
    models: list[str]


def request_schema(limits: Limits) -> dict[str, Any]:
    """Return the JSON schema of a request, with this server's limits."""
    schema = ClassifyRequest.model_json_schema()
    texts = schema["properties"]["texts"]
    texts["maxItems"], texts["items"]["maxLength"] = limits.max_texts, limits.max_text_length
    return schema


def parse_request(body: bytes, limits: Limits) -> ClassifyRequest:
    """Parse and validate the body of a request.

    Raises:
        Refusal: the body is not JSON (400), is not a valid request, or exceeds a limit (422).
    """
    try:
        asked = ClassifyRequest.model_validate_json(body)
    except ValidationError as err:
        errors = err.errors(include_url=False, include_input=False, include_context=False)
        if errors[0]["type"] == "json_invalid":
            raise Refusal(400, "invalid_json", f"expected a JSON document: {errors[0]['msg']}") from None
        details = [{"field": ".".join(map(str, one["loc"])) or "body", "problem": one["msg"]} for one in errors[:20]]
        first = details[0]
        message = f"expected {{'texts': [...]}}; {first['field']}: {first['problem']}"
        raise Refusal(422, "invalid_request", message, details=details) from None
    if len(asked.texts) > limits.max_texts:
        raise Refusal(
            422, "too_many_texts", f"expected at most {limits.max_texts:,} texts, got {len(asked.texts):,}; send fewer"
        )
    longest = max(range(len(asked.texts)), key=lambda n: len(asked.texts[n]), default=None)
    if longest is not None and len(asked.texts[longest]) > limits.max_text_length:
        raise Refusal(
            422,
            "text_too_long",
            f"expected texts of at most {limits.max_text_length:,} characters, got {len(asked.texts[longest]):,} in "
            f"texts.{longest}; cut it",
        )
    return asked
