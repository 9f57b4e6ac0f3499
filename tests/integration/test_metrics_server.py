"""The server of figures against clients that do not go on."""

import socket
import threading

import pytest
from prometheus_client import CollectorRegistry

from infra.metrics import server
from infra.metrics.server import serve_metrics


def serving() -> list[threading.Thread]:
    """Return the threads that answer somebody now."""
    return [thread for thread in threading.enumerate() if "process_request" in thread.name]


def assert_done(threads: list[threading.Thread]) -> None:
    """Wait until they have ended."""
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_who_sends_no_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection over which nothing comes is closed, and its thread ends."""
    monkeypatch.setattr(server, "PATIENCE_S", 0.1)
    with serve_metrics(CollectorRegistry(), lambda: {"status": "ok"}, host="127.0.0.1", port=0) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as idle:
            idle.sendall(b"GET /metr")
            assert idle.recv(1) == b""
        assert_done(serving())


def test_who_reads_no_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """An answer that is not read ends its thread, without a traceback."""
    monkeypatch.setattr(server, "PATIENCE_S", 0.1)
    more_than_fits = {"status": "ok", "filling": "x" * 32_000_000}
    with (
        serve_metrics(CollectorRegistry(), lambda: more_than_fits, host="127.0.0.1", port=0) as port,
        socket.create_connection(("127.0.0.1", port), timeout=20) as deaf,
    ):
        deaf.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        deaf.recv(1)
        threads = serving()
        assert threads
        assert_done(threads)
    assert "Traceback" not in capfd.readouterr().err
