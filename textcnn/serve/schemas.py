"""What requests and answers look like: the requests are checked by it, the OpenAPI document is made of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textcnn.serve.http_errors import Refusal
from textcnn.serve.models import Question
from textcnn.serve.settings import Limits


class ClassifyRequest(BaseModel):
    """Texts, and what is asked of them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: list[str] = Field(description="the texts to classify; each has one row in the answer, in their order")
    model: str | None = Field(None, description="name of the model; none: the first that is served")
    top_k: int | None = Field(None, ge=1, description="list that many labels, the most probable first")
    threshold: float | None = Field(None, ge=0, le=1, description="give labels from this probability (multi-label)")
    explain: bool | Literal["all", "full"] = Field(
        False,
        description="reasons: true, the strongest of the predicted label; all, of all labels; "
        "full, every reason of the predicted label",
    )

    def question(self) -> Question:
        """What is asked of each text."""
        explain = "predicted" if self.explain is True else self.explain or ""
        return Question(self.top_k, self.threshold, explain)


class LabelEntry(BaseModel):
    """A label and its probability."""

    label: str
    probability: float


class ClassifyRow(LabelEntry):
    """One answer, as `textcnn classify` writes it."""

    text: str
    top: list[LabelEntry] | None = Field(None, description="with top_k")
    labels: list[LabelEntry] | None = Field(None, description="of a multi-label model: those that reach the threshold")
    certified: bool | None = Field(None, description="int8: the label is provably that of float32")
    flags: list[str] = Field(description="empty: no token; cut: longer than the model reads")
    explanation: Any = Field(None, description="with explain; see docs/explain.md")


class ClassifyResponse(BaseModel):
    """One row for each text, in their order."""

    model: str
    results: list[ClassifyRow]


class LabelsResponse(BaseModel):
    """A model's labels, and what else a client may want to know before it asks."""

    model: str
    labels: list[str]
    problem_type: str
    thresholds: list[float] = Field(description="of a multi-label model: from which probability a label is given")
    runtime: str
    models: list[str] = Field(description="names of all models; the first is the default")
    limits: dict[str, float]


class ErrorDetail(BaseModel):
    """One thing that is wrong."""

    field: str
    problem: str


class ErrorBody(BaseModel):
    """Why a request was not answered."""

    code: str
    message: str
    details: list[ErrorDetail] | None = None


class ErrorResponse(BaseModel):
    """Every answer that is not a success."""

    error: ErrorBody


class HealthResponse(BaseModel):
    """The process is alive."""

    status: str
    version: str


class ReadyResponse(BaseModel):
    """Requests will be answered."""

    status: str
    models: list[str]


def request_schema(limits: Limits) -> dict[str, Any]:
    """The JSON schema of a request, this server's limits included."""
    schema = ClassifyRequest.model_json_schema()
    texts = schema["properties"]["texts"]
    texts["maxItems"], texts["items"]["maxLength"] = limits.max_texts, limits.max_text_length
    return schema


def parse_request(body: bytes, limits: Limits) -> ClassifyRequest:
    """The request in a body.

    Raises:
        Refusal: it is not JSON (400), not a request, or beyond a limit (422).
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
