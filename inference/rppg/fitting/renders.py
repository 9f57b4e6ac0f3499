"""Traces of faces made from a seed: a pulse or none, and everything else that changes the colour of skin in a video.

Made, not measured: amplitudes, noises and their mixture are our choice, wider than what one camera gives. What a trace
holds follows the model of Wang et al. 2017: colour = light x (skin x (1 + pulse) + gloss) + noise of the camera.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from inference.rppg.samples import COLOURS, Samples
from inference.slots import Floats

SIGNATURE: Final = np.array([0.43, 1.0, 0.69])
"""How much a pulse changes red, green and blue, relative to green (0.33, 0.77, 0.53 of de Haan and van Leest 2014)."""

NO_PULSE, NO_BACKGROUND = 0.3, 0.3
"""Shares of the drawn scenes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is rendered.

    Attributes:
        seconds: Length; `fps` frames a second; `jitter` standard deviation of a frame's time in frames.
        bpm: Heart rate at the beginning, `drift_bpm` by how much it has changed at the end, `sway_bpm` with the breath.
        breaths: Breaths a minute; `swell` by how much the pulse's height changes with them, relative.
        amplitude: Of the pulse in green, relative; `second` and `third` harmonics relative to the first.
        skin: Colour, 0 to 255; `backdrop` that of the background, None for no background.
        noise: Of each frame's mean, relative to the colour; `colour_noise` share of it that differs between colours.
        wander: Slow change of the colours between frames, relative.
        blocks: Kick of every key frame of a compressed video, relative; `key_s` the time between them.
        light: Change of the light, relative; `light_hz` its rhythm; `tint` how much the colours differ in it.
        sway: Movement in box widths; `sway_hz` its rhythm; `gloss` what it changes in the colour, relative;
            `shade` the same in brightness.
        bursts: Sudden movements a minute.
        clip: Colour above which the camera is blind, 255 where it is not reached; `saturated` share of the pixels.
    """

    seconds: float = 36.0
    fps: float = 30.0
    jitter: float = 0.0
    bpm: float = 70.0
    drift_bpm: float = 0.0
    sway_bpm: float = 1.5
    breaths: float = 14.0
    swell: float = 0.1
    amplitude: float = 0.004
    second: float = 0.3
    third: float = 0.1
    skin: tuple[float, float, float] = (190.0, 150.0, 120.0)
    backdrop: tuple[float, float, float] | None = (90.0, 90.0, 95.0)
    noise: float = 0.0008
    colour_noise: float = 0.7
    wander: float = 0.0
    blocks: float = 0.0
    key_s: float = 0.4
    light: float = 0.0
    light_hz: float = 1.9
    tint: float = 0.0
    sway: float = 0.0
    sway_hz: float = 0.4
    gloss: float = 0.0
    shade: float = 0.0
    bursts: float = 0.0
    clip: float = 255.0
    saturated: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """A rendered trace and the heart rate that is in it at every frame (0 where there is none)."""

    samples: Samples
    rate_bpm: Floats


def render(scene: Scene, rng: np.random.Generator) -> Render:
    """Return the trace of a scene; the same generator gives the same trace."""
    n = round(scene.seconds * scene.fps)
    time_s = np.sort((np.arange(n) + rng.normal(0, 1, n) * scene.jitter) / scene.fps)
    time_s += np.arange(n) * 1e-6
    rate = _rate(scene, time_s)
    blood = _blood(scene, time_s, rate)
    light = _light(scene, time_s, rng)
    moved, speed = _moved(scene, time_s, rng)
    gloss = scene.gloss * moved[:, None] * np.array([0.6, 1.0, 1.3]) + scene.shade * moved[:, None]
    skin = np.array(scene.skin)
    disturbed = _noise(scene, n, rng)
    rgb = skin * light * (1 - scene.amplitude * blood[:, None] * SIGNATURE + gloss) * (1 + disturbed)
    rgb = np.where(rgb > scene.clip, scene.clip + 0.05 * (rgb - scene.clip), rgb)
    background = np.full((n, COLOURS), np.nan)
    if scene.backdrop is not None:
        background = np.array(scene.backdrop) * light * (1 + _noise(scene, n, rng))
    samples = Samples(
        time_s=time_s,
        rgb=np.clip(rgb, 0.0, 255.0),
        background=np.clip(background, 0.0, 255.0),
        saturated=np.full(n, scene.saturated),
        motion=speed,
        faces=np.ones(n, dtype=np.int64),
    )
    return Render(samples=samples, rate_bpm=rate if scene.amplitude > 0 else np.zeros(n))


def drawn(rng: np.random.Generator) -> Scene:
    """Return a scene drawn at random: a face, and what disturbs it, each in some of the scenes."""
    grade = _log_uniform(rng, 0.15, 1.0)
    scene = Scene(
        fps=float(rng.choice([12, 15, 20, 24, 25, 30, 30, 30, 60])),
        jitter=float(rng.choice([0.0, 0.05, 0.2])),
        bpm=_log_uniform(rng, 42, 185),
        drift_bpm=float(rng.normal(0, 4)),
        sway_bpm=float(rng.uniform(0, 3)),
        breaths=float(rng.uniform(8, 24)),
        amplitude=0.0 if rng.random() < NO_PULSE else _log_uniform(rng, 0.0004, 0.008),
        second=float(rng.uniform(0, 0.6)),
        third=float(rng.uniform(0, 0.2)),
        skin=(225 * grade, 225 * grade**1.25 * float(rng.uniform(0.75, 0.9)), 225 * grade**1.4 * 0.7),
        noise=_log_uniform(rng, 0.0003, 0.012),
        colour_noise=float(rng.uniform(0.3, 1.0)),
        backdrop=None if rng.random() < NO_BACKGROUND else (90.0, 90.0, 95.0),
    )
    disturbances: tuple[dict[str, Any], ...] = (
        {"wander": _log_uniform(rng, 0.0005, 0.01)},
        {"blocks": _log_uniform(rng, 0.0005, 0.006), "key_s": float(rng.choice([0.4, 0.48, 0.5, 1.0, 2.0]))},
        {"light": _log_uniform(rng, 0.003, 0.05), "light_hz": _log_uniform(rng, 0.1, 3.3),
         "tint": float(rng.choice([0.0, 0.05, 0.4]))},
        {"sway": _log_uniform(rng, 0.005, 0.15), "sway_hz": _log_uniform(rng, 0.2, 2.8),
         "gloss": _log_uniform(rng, 0.003, 0.15), "shade": _log_uniform(rng, 0.01, 0.5)},
        {"bursts": float(rng.uniform(2, 20)), "sway": 0.05, "gloss": _log_uniform(rng, 0.01, 0.2), "shade": 0.2},
        {"clip": 225 * grade * 0.97, "saturated": float(rng.uniform(0.02, 0.25))},
    )  # fmt: skip
    for disturbance, share in zip(disturbances, (0.4, 0.2, 0.25, 0.3, 0.15, 0.08), strict=True):
        if rng.random() < share:
            scene = replace(scene, **disturbance)
    return scene


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _rate(scene: Scene, time_s: Floats) -> Floats:
    breath = np.sin(2 * np.pi * scene.breaths / 60 * time_s)
    rate: Floats = scene.bpm + scene.drift_bpm * time_s / scene.seconds + scene.sway_bpm * breath
    return np.maximum(rate, 30.0)


def _blood(scene: Scene, time_s: Floats, rate_bpm: Floats) -> Floats:
    phase = 2 * np.pi * np.cumsum(rate_bpm / 60 * np.diff(time_s, prepend=time_s[0]))
    wave: Floats = np.sin(phase) + scene.second * np.sin(2 * phase + 0.9) + scene.third * np.sin(3 * phase + 1.6)
    return wave * (1 + scene.swell * np.sin(2 * np.pi * scene.breaths / 60 * time_s + 1.0))


def _light(scene: Scene, time_s: Floats, rng: np.random.Generator) -> Floats:
    wave = np.sin(2 * np.pi * scene.light_hz * time_s + rng.uniform(0, 2 * np.pi))
    tints = 1 + scene.tint * rng.normal(0, 1, COLOURS)
    light: Floats = 1 + scene.light * wave[:, None] * tints
    return light


def _moved(scene: Scene, time_s: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return where the face is in box widths, and how fast its box moves."""
    place = scene.sway * np.sin(2 * np.pi * scene.sway_hz * time_s + rng.uniform(0, 2 * np.pi))
    for _ in range(rng.poisson(scene.bursts * scene.seconds / 60)):
        at = rng.uniform(0, scene.seconds)
        place += rng.normal(0, scene.sway) * np.exp(-(((time_s - at) / rng.uniform(0.1, 0.6)) ** 2))
    speed = np.abs(np.gradient(place, time_s)) + np.abs(rng.normal(0, 0.01, len(time_s)))
    return place, speed


def _noise(scene: Scene, n: int, rng: np.random.Generator) -> Floats:
    alike, each = rng.normal(0, 1, (n, 1)), rng.normal(0, 1, (n, COLOURS))
    share = scene.colour_noise
    noise = scene.noise * (np.sqrt(1 - share**2) * alike + share * each)
    steps = rng.normal(0, 1, (n, COLOURS)) * scene.wander / np.sqrt(scene.fps)
    noise += np.cumsum(steps, axis=0)
    if scene.blocks:
        since = np.arange(n) % max(round(scene.key_s * scene.fps), 1) / max(scene.key_s * scene.fps, 1)
        noise += scene.blocks * (0.5 - since)[:, None] * rng.normal(1, 0.5, COLOURS)
        noise += scene.blocks * np.repeat(rng.normal(0, 1, (n // 3 + 1, COLOURS)), 3, axis=0)[:n] * 0.5
    made: Floats = noise
    return made
