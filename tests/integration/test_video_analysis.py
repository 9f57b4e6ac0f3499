"""Rendered videos through the API and the process that really decodes them."""

from pathlib import Path

from infra.download import Download, Rules
from infra.rppg.analyses import ChildVideos
from tests.portrait.renderer import Scene, waveform, write_video
from tests.video_server import VideoServer, video_server


async def analysed(server: VideoServer, path: Path) -> dict[str, object]:
    """Return what the API tells of a file."""
    data = path.read_bytes()  # noqa: ASYNC240 - a small file of the test's own
    async with server.client() as client:
        answer = await client.post("/vitals/analyze-video", files={"file": (path.name, data, "video/x-msvideo")})
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


async def test_a_face_with_a_pulse_and_one_without(tmp_path: Path) -> None:
    """A rendered face tells its heart rate within 3 bpm; a photograph that is filmed tells none, and why."""
    living = write_video(tmp_path / "living.avi", Scene(seconds=14, size=(320, 240)))
    still = write_video(tmp_path / "still.avi", Scene(seconds=12, size=(320, 240), strength=0))
    truth_bpm = waveform(Scene(seconds=1).waveform)[2]
    videos = ChildVideos(Download(Rules(hosts=())).fetch, folder=tmp_path)
    async with video_server(videos) as server:
        told = await analysed(server, living)
        assert (told["status"], told["reason"]) in {("ok", "ok"), ("ok", "low_confidence")}
        rate = told["hr_bpm"]
        assert isinstance(rate, dict)
        assert abs(rate["value"] - truth_bpm) < 3
        assert rate["low"] <= rate["value"] <= rate["high"]
        points = told["heart_rate_data"]
        assert isinstance(points, list)
        assert points
        assert all(0 < one["timestamp_ms"] <= 14_500 and 0 <= one["confidence_score"] <= 1 for one in points)
        assert (told["hrv"], told["features"], told["risk_prediction"]) == (None, None, None)
        assert str(told["risk_reason"]).startswith("insufficient_beats")
        told = await analysed(server, still)
        assert (told["status"], told["heart_rate_data"], told["hr_bpm"]) == ("no_estimate", [], None)
        assert told["reason"] not in {"ok", "low_confidence"}
