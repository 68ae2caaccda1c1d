"""The border in OpenAPI 3.1, its schemas made from the structs that really decode the events, and the page that shows it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader

from streams.gateway.events import Answer, Document, Event, Problem

REF = "#/components/schemas/{name}"
INTRODUCTION = """\
Events of a live room enter here, and an event that was accepted is in the log when the answer arrives. Ids make repeats
harmless: when in doubt (no answer, 429, 503), send the whole request again with the same ids."""

EXAMPLE = """\
{"kind": "chat", "id": "m1", "ts": 1795550000000, "user": "u7", "text": "有蓝色的吗"}
{"kind": "sale", "id": "o1", "ts": 1795550001000, "type": "order", "sku": "A12", "quantity": 1, "amount": "129.00"}
"""


def _answer(description: str, *schemas: str, **headers: str) -> dict[str, Any]:
    """A JSON answer of one of ``schemas``; a ``Problem`` if none is named."""
    references = [{"$ref": REF.format(name=name)} for name in schemas or ("Problem",)]
    schema = references[0] if len(references) == 1 else {"anyOf": references}
    answer: dict[str, Any] = {"description": description, "content": {"application/json": {"schema": schema}}}
    if headers:
        answer["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": {"type": "integer"}} for name, text in headers.items()
        }
    return answer


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def _page(summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    refused = {"401": _answer("No operator key, or a wrong one.")}
    return {
        "get": {"summary": summary, "security": [{"operator": []}, {"operatorPassword": []}], "responses": answers | refused}
    }


def _post(max_events: int, max_body: int) -> dict[str, Any]:
    return {
        "summary": "Events of a room: chat, sales, viewers, speech, products",
        "description": (
            f"One request carries up to {max_events:,} events in up to {max_body:,} bytes (expanded, if "
            "`Content-Encoding: gzip`). What is good goes in; what is bad is listed in `rejected` and kept in the dead "
            "letters. Under pressure chat is refused with 429; everything else in the same request goes in all the same. "
            "A signature covers the body as it is sent, compressed if it is. A signed request is taken once: its exact repeat "
            "is refused with 409; to try again after no answer, sign again with a new `webhook-timestamp`."
        ),
        "operationId": "postEvents",
        "security": [{"roomKey": []}, {"webhookSignature": [], "webhookId": [], "webhookTimestamp": []}],
        "parameters": [
            {
                "name": "room", "in": "path", "required": True, "description": "The room's id.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,63}$"},
            },
            {
                "name": "source", "in": "query", "description": "Where the events come from; ids are unique per source.",
                "schema": {"type": "string", "default": "api", "pattern": "^[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,63}$"},
            },
            {
                "name": "clock", "in": "query",
                "description": (
                    "`live`: time-stamps are checked against our clock. A source that is more than two minutes behind or five "
                    "seconds ahead is corrected; an event that is more than seven days off is refused. `replay`: they are "
                    "taken as they are, of up to 31 days in one request, for recordings and simulations."
                ),
                "schema": {"type": "string", "enum": ["live", "replay"], "default": "live"},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}, "example": EXAMPLE},
                "application/json": {"schema": {"$ref": REF.format(name="Document")}},
            },
        },
        "responses": {
            "202": _answer("Every accepted event is in the log.", "Answer"),
            "400": _answer("The body is not what its headers say."),
            "401": _answer("No key, a wrong key, a wrong or stale signature."),
            "408": _answer("The body did not arrive in time."),
            "409": _answer("Replayed: this signed request was taken before."),
            "413": _answer("Too many bytes or too many events."),
            "415": _answer("A content type or encoding that is not spoken here."),
            "422": _answer("No event to be used, a name that can be none, or a replay of too many days.", "Answer", "Problem"),
            "429": _answer("Chat was refused; everything else went in.", "Answer", Retry_After="Seconds to wait."),
            "503": _answer("Not acknowledged: send all of it again.", "Answer", "Problem", Retry_After="Seconds to wait."),
        },
    }  # fmt: skip


def document(max_events: int, max_body: int) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the gateway."""
    _, schemas = msgspec.json.schema_components((Document, Event, Answer, Problem), ref_template=REF)
    header = {"type": "apiKey", "in": "header"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Livetide gateway", "version": "1", "description": INTRODUCTION},
        "paths": {
            "/v1/rooms/{room}/events": {"post": _post(max_events, max_body)},
            "/healthz": _page("The process is alive", {"200": _text("Alive.")}),
            "/readyz": _page("Kafka can be reached", {"200": _text("Ready."), "503": _answer("Not ready, and why.")}),
            "/metrics": _page("What Prometheus scrapes", {"200": _text("Prometheus text format.")}),
            "/openapi.json": _page(
                "This document", {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {}}}}
            ),
            "/docs": _page("This document as a page", {"200": {"description": "A page.", "content": {"text/html": {}}}}),
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "roomKey": {"type": "http", "scheme": "bearer", "description": "The room's key: `livetide key ROOM`."},
                "webhookSignature": header
                | {"name": "webhook-signature", "description": "`v1,…`, as Standard Webhooks has it."},
                "webhookId": header | {"name": "webhook-id", "description": "The sender's id of the message."},
                "webhookTimestamp": header
                | {"name": "webhook-timestamp", "description": "Seconds since 1970, of this attempt."},
                "operator": {"type": "http", "scheme": "bearer", "description": "The operator key of the installation."},
                "operatorPassword": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Any user, the operator key as password.",
                },
            },
        },
    }


def _type_of(schema: dict[str, Any]) -> str:
    """A schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type_of(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type_of(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type_of(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))


LIMITS = {
    "minLength": "at least {} characters", "maxLength": "at most {} characters", "minimum": "from {}", "maximum": "to {}",
    "exclusiveMaximum": "below {}", "maxItems": "at most {} of them", "maxProperties": "at most {} of them",
}  # fmt: skip


def _limits_of(schema: dict[str, Any]) -> str:
    return ", ".join(words.format(schema[name]) for name, words in LIMITS.items() if name in schema)


@cache
def _template() -> Any:
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"type_of": _type_of, "limits_of": _limits_of}
    return environment.get_template("docs.html")


def page(api: dict[str, Any]) -> str:
    """The document as a page that needs nothing from anywhere else."""
    html: str = _template().render(api=api, example=EXAMPLE)
    return html
