"""The server of figures against clients that do not go on."""

import socket
import threading

import pytest
from prometheus_client import CollectorRegistry

from infra.metrics import server
from infra.metrics.server import serve_metrics


def test_who_sends_no_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection over which nothing comes is closed, and its thread ends."""
    monkeypatch.setattr(server, "PATIENCE_S", 0.1)
    with serve_metrics(CollectorRegistry(), lambda: {"status": "ok"}, host="127.0.0.1", port=0) as port:
        before = threading.active_count()
        with socket.create_connection(("127.0.0.1", port), timeout=5) as idle:
            idle.sendall(b"GET /metr")
            assert idle.recv(1) == b""
        for thread in threading.enumerate():
            if "process_request" in thread.name:
                thread.join(5)
        assert threading.active_count() == before


def test_who_reads_no_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """An answer that is not read ends its thread, without a traceback."""
    monkeypatch.setattr(server, "PATIENCE_S", 0.1)
    more_than_fits = {"status": "ok", "filling": "x" * 32_000_000}
    with (
        serve_metrics(CollectorRegistry(), lambda: more_than_fits, host="127.0.0.1", port=0) as port,
        socket.create_connection(("127.0.0.1", port), timeout=5) as deaf,
    ):
        deaf.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        deaf.recv(1)
        serving = [thread for thread in threading.enumerate() if "process_request" in thread.name]
        assert serving
        for thread in serving:
            thread.join(5)
            assert not thread.is_alive()
    assert "Traceback" not in capfd.readouterr().err
