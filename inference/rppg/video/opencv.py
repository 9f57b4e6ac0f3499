"""OpenCV, silent and on one thread: this room takes it from here, so that the rules hold before it starts."""

import os
from typing import Any, Final

_CONTAINERS: Final = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,flv,asf,ogg"
_RULES: Final = {
    # FFmpeg, inside OpenCV, writes to standard error whatever it dislikes in a file; we say it in a sentence instead.
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_LOG_LEVEL": "SILENT",
    # A file may be a play list that names other files and addresses: only real containers, only this file.
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": f"protocol_whitelist;file|format_whitelist;{_CONTAINERS}",
}
for _name, _value in _RULES.items():
    os.environ[_name] = _value

import cv2 as _cv2  # noqa: E402 - reads the environment when it is loaded

# One worker is one core: the pool decides how many run.
_cv2.setNumThreads(1)

cv2: Any = _cv2
"""Any, because its stubs know arrays only as integers or floats of any width."""
