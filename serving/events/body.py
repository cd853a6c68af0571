"""The body of a request with events, for the OpenAPI document."""

from typing import Any

from serving.events.schemas import EventBatch

__all__ = ["REQUEST_BODY"]

_EXAMPLE = {
    "type": "order",
    "event_id": "till-7-000123",
    "customer_id": "C-0192",
    "order_id": "O-1001",
    "ordered_at": "2026-07-01T14:30:00+02:00",
    "lines": [{"revenue": 19.9, "product_id": "P-7", "quantity": 1.0}],
}


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    """Put every definition where it is named: a reference within it would lead nowhere."""
    if isinstance(part, list):
        return [_inlined(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(definitions[part["$ref"].rpartition("/")[2]], definitions)
    return {
        name: _inlined(value, definitions)
        for name, value in part.items()
        if name not in {"$defs", "discriminator"}
    }


_SCHEMA = EventBatch.model_json_schema()
_BATCH = _inlined(_SCHEMA, _SCHEMA["$defs"])

REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": _BATCH, "example": {"events": [_EXAMPLE]}},
        "application/x-ndjson": {
            "schema": {
                "type": "string",
                "description": "The same events, each as a JSON object on a line of its own.",
            }
        },
    },
}
