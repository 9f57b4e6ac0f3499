"""What a container asks of itself."""

from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry

from infra.docker.health import is_well
from infra.embedded.ports import free_ports
from infra.metrics.server import serve_metrics


@pytest.mark.parametrize(("status", "well"), [("ok", True), ("starting", False)])
def test_a_container_is_well_when_its_part_says_so(status: str, well: bool) -> None:  # noqa: FBT001
    """200 is well; 503, which a part answers until it works, is not."""
    with ExitStack() as stack:
        port = stack.enter_context(
            serve_metrics(CollectorRegistry(), lambda: {"status": status}, host="127.0.0.1", port=0)
        )
        assert is_well(f"http://127.0.0.1:{port}/health") is well


def test_nobody_there_is_not_well() -> None:
    """A refused connection is an answer, not a traceback."""
    assert not is_well(f"http://127.0.0.1:{free_ports(1)[0]}/health")
