"""The process of a worker: what its health answer says."""

from infra.worker_process import health_answer


def test_all_that_a_worker_waits_for_is_named() -> None:
    """One part's waiting does not hide another's; of other facts the later part's word counts."""
    told = health_answer("video", [
        lambda: {"waiting": {"decoder": "none starts"}},
        lambda: {"status": "running", "waiting": {"kafka": "away"}},
        lambda: {"waiting": {}},
    ])  # fmt: skip
    assert told == {
        "family": "video",
        "status": "running",
        "waiting": {"decoder": "none starts", "kafka": "away"},
    }


def test_a_worker_that_has_nothing_to_tell_yet_is_starting() -> None:
    """Before a family is made, the answer says so and names nothing that it waits for."""
    assert health_answer("video", []) == {"family": "video", "status": "starting", "waiting": {}}
