"""The page at /docs, made from the OpenAPI description; it loads nothing, so it works without internet."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

DOCS_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
details { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5rem; margin: .5rem 0; }
summary { padding: .5rem .75rem; cursor: pointer; }
details > div { padding: 0 .75rem .75rem; }
b { display: inline-block; min-width: 4.5rem; }
pre { overflow: auto; padding: .5rem; background: color-mix(in srgb, currentColor 8%, transparent); }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem .75rem .15rem 0; vertical-align: top; }
"""


def docs_page(schema: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI description."""
    info = schema["info"]
    about = "".join(f"<p>{escape(part)}</p>" for part in info["description"].split("\n\n"))
    operations = "".join(_operations(schema))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(info['title'])} API</h1>{about}"
        '<p>For programs: <a href="/openapi.json">openapi.json</a></p>'
        f"{operations}</main></body></html>"
    )


def _operations(schema: Mapping[str, Any]) -> Iterator[str]:
    tag = None
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            heading = operation.get("tags", ["service"])[0]
            if heading != tag:
                tag = heading
                yield f"<h2>{escape(heading)}</h2>"
            yield _operation(schema, f"{method.upper()}", path, operation)


def _operation(schema: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    summary = escape(operation.get("description") or operation.get("summary", ""))
    parts = [_parameters(operation.get("parameters", []))]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body is not None:
        parts.append(f"<h3>Body</h3><pre>{_example_text(schema, body)}</pre>")
    for status, response in operation.get("responses", {}).items():
        parts.append(f"<h3>{escape(status)} {escape(response.get('description', ''))}</h3>")
        shape = response.get("content", {}).get("application/json", {}).get("schema")
        if shape:
            parts.append(f"<pre>{_example_text(schema, shape)}</pre>")
    return (
        f"<details><summary><b>{escape(method)}</b> <code>{escape(path)}</code> {summary}</summary>"
        f"<div>{''.join(parts)}</div></details>"
    )


def _parameters(parameters: list[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{'required' if one.get('required') else ''}</td><td>{escape(one.get('description', ''))}</td></tr>"
        for one in parameters
    )
    return f"<table><tr><th>name</th><th>in</th><th></th><th></th></tr>{rows}</table>" if rows else ""


def _example_text(schema: Mapping[str, Any], shape: Mapping[str, Any]) -> str:
    return escape(json.dumps(_example(schema, shape), indent=2))


def _example(schema: Mapping[str, Any], shape: Mapping[str, Any]) -> Any:
    """Return what a value of this shape may look like."""
    if "$ref" in shape:
        return _example(schema, schema["components"]["schemas"][shape["$ref"].rsplit("/", 1)[-1]])
    told = [*shape.get("examples", []), *shape.get("enum", [])]
    told += [shape[name] for name in ("const", "default", "example") if name in shape]
    chosen = next((one for one in shape.get("anyOf", []) if one.get("type") != "null"), None)
    if told or chosen is not None:
        return told[0] if told else _example(schema, chosen or {})
    if shape.get("type") == "array":
        return [_example(schema, shape.get("items", {}))]
    if "properties" in shape:
        return {name: _example(schema, one) for name, one in shape["properties"].items()}
    return {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "object": {}}.get(shape.get("type", ""))
