"""The small HTTP server beside every process: `/metrics` for Prometheus and `/health` for whoever supervises it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from schemas.errors import SetupError

PATIENCE_S: Final = 10.0
"""Who sends no whole request, or reads no answer, for so long is cut off: each holds a thread."""

Health = Callable[[], Mapping[str, Any]]
"""Returns what /health answers; `status` is "ok" or says in a word what is not."""


@contextmanager
def serve_metrics(registry: CollectorRegistry, health: Health, *, host: str, port: int) -> Iterator[int]:
    """Serve `/metrics` and `/health` from a thread of their own while the context lasts; give the port.

    Raises:
        SetupError: The port is in use.
    """
    try:
        server = ThreadingHTTPServer((host, port), _handler(registry, health))
    except OSError as error:
        raise SetupError(
            f"The metrics port {port} on {host} cannot be opened: {error.strerror}.",
            next_step="Stop what uses it, or set PULSERA_METRICS_PORT to a free one.",
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(registry: CollectorRegistry, health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_S

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path == "/health":
                state = health()
                status = HTTPStatus.OK if state.get("status") == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "application/json", json.dumps(state).encode())
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"Try /metrics or /health.\n")

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            try:
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # who asked has gone, or does not read

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives
            """Requests of a scraper are not worth a line."""

    return Handler
