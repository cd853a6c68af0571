"""Examples of what a JSON schema describes, put together from the examples of its fields."""

from typing import Any

__all__ = ["example_of"]

Schema = dict[str, Any]

_BY_FORMAT = {"date": "2026-06-30", "date-time": "2026-07-01T02:00:00Z", "binary": ""}
_BY_TYPE: dict[str, Any] = {"boolean": True, "null": None, "string": "text"}
_NUMBERS = ("minimum", "exclusiveMinimum")


def example_of(schema: Schema, document: Schema) -> Any:
    """Make an example of a schema.

    Parameters
    ----------
    schema : dict
        JSON schema.
    document : dict
        In which its references lead somewhere.

    Returns
    -------
    object
        What fits it: its own example, or one made of those of its parts.

    Examples
    --------
    >>> fields = {"n": {"type": "integer", "examples": [3]}, "day": {"format": "date"}}
    >>> example_of({"type": "object", "properties": fields}, {})
    {'n': 3, 'day': '2026-06-30'}
    """
    if "$ref" in schema:
        return example_of(_at(document, schema["$ref"]), document)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("example", "const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return example_of(schema[key][0], document)
    return _made(schema, document)


def _made(schema: Schema, document: Schema) -> Any:
    kind = schema.get("type")
    if "properties" in schema:
        fields = schema["properties"].items()
        return {name: example_of(field, document) for name, field in fields}
    if kind == "object":
        values = schema.get("additionalProperties")
        return {"name": example_of(values, document)} if isinstance(values, dict) else {}
    if kind == "array":
        return [example_of(schema.get("items", {}), document)]
    if kind in {"integer", "number"}:
        least = next((schema[key] for key in _NUMBERS if key in schema), 0)
        return int(least) + 1 if kind == "integer" else min(least + 0.5, schema.get("maximum", 1e9))
    if "format" in schema:
        return _BY_FORMAT.get(schema["format"], "text")
    return _BY_TYPE.get(str(kind), "text")


def _at(document: Schema, reference: str) -> Schema:
    place: Any = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    found: Schema = place
    return found
