"""Chunks of pictures become rows, by whatever worker, with a face that is followed."""

from collections.abc import Iterable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from inference.rppg.samples import NOBODY_LOOKED, UNREADABLE, join
from inference.rppg.video import jpeg
from inference.rppg.video.measure import FrameMeasurer
from inference.rppg.video.opencv import cv2
from inference.rppg.video.state import FaceState
from schemas.errors import ContractError, UnreadableVideoError
from tests.portrait.renderer import Frame, Scene, frames, jpegs, times

pytestmark = pytest.mark.story

SIZE = (320, 240)
STILL = Scene(seconds=2.0, size=SIZE)


def huge(pictures: bytes) -> bytes:
    """Return a JPEG whose header tells 60,000 x 60,000."""
    at = pictures.index(b"\xff\xc0")
    return pictures[: at + 5] + b"\xea\x60\xea\x60" + pictures[at + 9 :]


def test_chunks_measured_by_strangers_are_the_whole_measured_by_one() -> None:
    """The state, once through bytes between any two chunks, holds all that the next worker needs."""
    pictures, seconds = jpegs(Scene(seconds=2.0, size=SIZE, sway_px=6)), times(STILL)
    whole, _ = FrameMeasurer().measure(pictures, seconds, FaceState())
    parts, state = [], FaceState()
    for first in range(0, len(pictures), 14):
        part, state = FrameMeasurer().measure(pictures[first : first + 14], seconds[first : first + 14], state)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=FaceState)
        parts.append(part)
    again = join(parts)
    for name in ("time_s", "rgb", "background", "saturated", "motion", "faces"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name), err_msg=name)


def test_skin_is_measured_and_the_wall_is_not() -> None:
    """Red leads in skin, the background is another colour, and a face that keeps still has no speed to speak of."""
    samples, state = FrameMeasurer().measure(jpegs(STILL), times(STILL), FaceState())
    red, green, blue = samples.rgb.mean(axis=0)
    assert red > green > blue
    assert abs(samples.background.mean(axis=0) - samples.rgb.mean(axis=0)).max() > 30
    assert np.nanmedian(samples.motion) < 0.1
    assert samples.saturated.max() < 0.05
    assert state.box is not None


def test_a_swaying_face_is_followed_and_its_speed_told() -> None:
    """The box goes with the face: about 8 px of 50 either way, at 0.4 Hz."""
    scene = Scene(seconds=2.0, size=SIZE, sway_px=16)
    samples, _ = FrameMeasurer().measure(jpegs(scene), times(scene), FaceState())
    swayed = 8 * 2 * np.pi * 0.4 / 50 * np.hypot(1, 1 / 3)
    assert np.isfinite(samples.rgb).all()
    assert np.nanmax(samples.motion) == pytest.approx(swayed, rel=0.3)


def test_two_people_are_counted_once_a_second_look_confirms_them() -> None:
    """From the second search on there are two."""
    scene = Scene(seconds=2.0, size=(640, 480), faces=2, fps=15)
    samples, _ = FrameMeasurer().measure(jpegs(scene), times(scene), FaceState())
    assert samples.faces[-1] == 2


def test_without_anybody_rows_are_empty() -> None:
    """No face, no colour: never that of the wall."""
    scene = Scene(seconds=1.0, size=SIZE, faces=0)
    samples, state = FrameMeasurer().measure(jpegs(scene), times(scene), FaceState())
    assert np.isnan(samples.rgb).all()
    assert samples.faces.tolist() == [0] * 30
    assert state.box is None


def encoded(pictures: Iterable[Frame]) -> list[bytes]:
    """Return pictures as JPEG."""
    return [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes() for picture in pictures]


def test_two_small_faces_are_two() -> None:
    """Two of 48 pixels, at the edge of what the first, coarse search finds, are counted once one of them is found."""
    left = Scene(seconds=2.5, fps=12)
    right = replace(left, waveform="sample_video_3")
    pictures = encoded(np.hstack(pair) for pair in zip(frames(left), frames(right), strict=True))
    samples, _ = FrameMeasurer().measure(pictures, times(left), FaceState())
    assert samples.faces[-1] == 2


def test_a_second_person_who_comes_is_counted_within_four_seconds() -> None:
    """The whole frame is searched every three seconds, and again half a second after a second face was seen."""
    scene = Scene(seconds=4.5, fps=10, faces=2)
    pictures = list(frames(scene))
    for picture in pictures[:5]:
        picture[:, 320:] = 40
    samples, _ = FrameMeasurer().measure(encoded(pictures), times(scene), FaceState())
    assert set(samples.faces[:5].tolist()) == {1}
    assert samples.faces[5 + 35] == 2


def test_somebody_who_leaves_is_lost_within_a_second() -> None:
    """Rows end half a second after the face was last followed or found."""
    here, gone = jpegs(Scene(seconds=1.0, size=SIZE)), jpegs(Scene(seconds=1.2, size=SIZE, faces=0))
    seconds = np.arange(len(here) + len(gone)) / 30
    first, state = FrameMeasurer().measure(here, seconds[:30], FaceState())
    after, state = FrameMeasurer().measure(gone, seconds[30:], state)
    assert np.isfinite(first.rgb).all()
    assert np.isnan(after.rgb[-5:]).all()
    assert state.box is None


def test_a_gap_in_the_frames_begins_anew() -> None:
    """After more than half a second nobody knows where the face has gone: it is found again at once, with no speed."""
    pictures = jpegs(Scene(seconds=0.4, size=SIZE))
    _, state = FrameMeasurer().measure(pictures, np.arange(12) / 30, FaceState())
    samples, state = FrameMeasurer().measure(pictures, 5 + np.arange(12) / 30, state)
    assert np.isnan(samples.motion[0])
    assert samples.faces[0] == 1


def test_pictures_that_are_none_leave_empty_rows() -> None:
    """One spoiled picture costs its row alone, which says so, and is counted."""
    pictures = jpegs(Scene(seconds=0.2, size=SIZE))
    pictures[2] = b"\xff\xd8 no picture"
    pictures[3] = huge(pictures[3])
    samples, state = FrameMeasurer().measure(pictures, np.arange(6) / 30, FaceState())
    assert np.isnan(samples.rgb[:, 0]).tolist() == [False, False, True, True, False, False]
    assert samples.faces.tolist() == [1, 1, UNREADABLE, UNREADABLE, 1, 1]
    assert state.unreadable == 2


def test_a_chunk_without_one_picture_is_refused() -> None:
    """Whoever sends rubbish alone is told."""
    with pytest.raises(UnreadableVideoError) as refused:
        FrameMeasurer().measure([b"", b"rubbish"], [0.0, 0.1], FaceState())
    assert refused.value.reason == "undecodable"


@pytest.mark.parametrize(("frames", "seconds"), [(2, 1), (65, 65)])
def test_a_chunk_of_another_shape_is_refused(frames: int, seconds: int) -> None:
    """Each picture has a time, and a chunk holds 64 at most."""
    with pytest.raises(ContractError):
        FrameMeasurer().measure([b"x"] * frames, [float(second) for second in range(seconds)], FaceState())


def test_the_size_of_a_picture_is_read_before_it_is_decoded() -> None:
    """The header tells it; a bomb of 60,000 x 60,000 is not decoded, and what has no header has no size."""
    picture = jpegs(Scene(seconds=0.04, size=SIZE))[0]
    assert jpeg.size(picture) == SIZE
    assert jpeg.size(huge(picture)) == (60_000, 60_000)
    assert jpeg.decoded(huge(picture)) is None
    assert jpeg.size(b"\xff\xd8\xff\xd9") is None
    assert jpeg.size(b"GIF89a") is None


def test_a_large_picture_is_decoded_smaller_with_the_same_colours() -> None:
    """Means differ by less than a fifth of a grey level."""
    random = np.random.default_rng(3)
    coarse = random.integers(60, 200, (27, 48, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (1920, 1080), interpolation=cv2.INTER_LINEAR)
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    small = jpeg.decoded(data)
    assert small is not None
    assert small.shape == (540, 960, 3)
    assert abs(small.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 0.2


def test_a_crop_of_skin_is_taken_whole() -> None:
    """With the region full nobody looks for a face."""
    samples, _ = FrameMeasurer(region="full").measure(
        jpegs(Scene(seconds=0.2, size=SIZE, faces=0)), np.arange(6) / 30, FaceState()
    )
    assert samples.rgb == pytest.approx(40, abs=1.5)
    assert samples.faces.tolist() == [NOBODY_LOOKED] * 6
    assert np.isnan(samples.background).all()


def test_patches_are_means_of_parts_of_the_face() -> None:
    """Twelve parts, those that hold skin within the face's own colours."""
    picture = cv2.imdecode(np.frombuffer(jpegs(Scene(seconds=0.04))[0], np.uint8), cv2.IMREAD_COLOR)
    from inference.rppg.video.measure import Columns

    columns = Columns()
    FrameMeasurer(patches=True).take(picture, 0.0, FaceState(), columns)
    samples = columns.samples()
    assert samples.patches is not None
    assert samples.patches.shape == (1, 12, 3)
    assert np.isfinite(samples.patches[0, :, 0]).sum() >= 6
    assert np.nanmean(samples.patches[0], axis=0) == pytest.approx(samples.rgb[0], abs=20)
