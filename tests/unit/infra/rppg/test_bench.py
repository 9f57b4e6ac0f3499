"""What `pulsera bench rppg` says of the estimator alone."""

import numpy as np

from inference.rppg.fitting.renders import Scene, render
from infra.rppg.bench import _core


def test_the_estimator_is_timed_in_chunks_and_frame_by_frame() -> None:
    """All three figures are there, and the longest push takes at least what a second's frames do on average."""
    told = _core(render(Scene(seconds=4), np.random.default_rng(1)).samples)
    chunks, singly, longest = told["chunks_us"], told["singly_us"], told["longest_push_ms"]
    assert chunks is not None
    assert singly is not None
    assert longest is not None
    assert min(chunks, singly) > 0
    assert longest * 1000 >= chunks * 15
