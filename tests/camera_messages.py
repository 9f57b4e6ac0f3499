"""Messages of a device's camera, made for tests: colours whose pulse is known, and what only looks like pictures."""

import json
from typing import Any

import numpy as np

from ingest.effects import AdmitVideo, Effect
from schemas.video import VideoRecord, decode
from tests.device_sessions import NOW_MS

JPEG = b"\xff\xd8\xff\xe0 no picture, but it begins as one"


def trace(seq: Any = 1, **fields: Any) -> dict[str, Any]:
    """Return a trace of three frames, now."""
    return {
        "type": "trace",
        "seq": seq,
        "time": NOW_MS,
        "times": [0, 33.4, 66.7],
        "rgb": [[150.5, 110.25, 90], None, [151, 110, 90]],
        **fields,
    }


def video(seq: Any = 1, frames: int = 3, *, body: bytes | None = None, **fields: Any) -> bytes:
    """Return a binary message with pictures, now."""
    header = {
        "type": "video",
        "seq": seq,
        "time": NOW_MS,
        "encoding": "jpeg",
        "sizes": [len(JPEG)] * frames,
        "times": [round(frame * 33.4, 1) for frame in range(frames)],
        **fields,
    }
    data = json.dumps({name: value for name, value in header.items() if value is not ...}).encode()
    return len(data).to_bytes(4, "big") + data + (JPEG * frames if body is None else body)


def records(effects: list[Effect]) -> list[VideoRecord]:
    """Return the records of video that are to be made durable."""
    return [decode(effect.data) for effect in effects if isinstance(effect, AdmitVideo)]


def pulse_colours(first: int, count: int, *, fps: float = 30.0, rate_bpm: float = 72.0, seed: int = 1) -> Any:
    """Return mean skin colours of frames `first` to before `first + count` of a steady pulse, shape (count, 3)."""
    times_s = np.arange(first, first + count) / fps
    noise = np.random.default_rng([seed, first]).normal(0, 0.05, (count, 3))
    beat = np.sin(2 * np.pi * rate_bpm / 60 * times_s)
    return np.array([150.0, 110.0, 90.0]) + beat[:, None] * np.array([0.3, 0.9, 0.5]) + noise
