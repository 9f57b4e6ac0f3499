// What is seen while the camera runs: the face guide, the wave, the rate with its confidence or the reason why there is none.
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";
import { guide } from "../store/camera-means.js";
import { WAVE_S } from "../store/camera-run.js";
import { now } from "../store/data.js";
import { CAMERA, age } from "../text.js";

const html = htm.bind(h);
const WAVE_WIDTH = 600;
const WAVE_HEIGHT = 120;
/** Points further apart than this are not joined: a gap is a gap. */
const JOINED = 2.5;
const LEAST_SWING = 1e-6;

/** The mirrored picture with the oval over it; `face` is whether skin is seen inside, null while nobody looked. */
export function Guide({ video, size, face }) {
  const [width, height] = size;
  const { cx, cy, rx, ry } = guide(width, height);
  const hole = `M0 0H${width}V${height}H0Z M${cx - rx} ${cy}a${rx} ${ry} 0 1 0 ${2 * rx} 0a${rx} ${ry} 0 1 0 ${-2 * rx} 0Z`;
  return html`<div class="camera-guide" data-face=${face === null ? "unknown" : face ? "seen" : "missing"}>
    <video ref=${video} muted autoplay playsinline aria-label=${CAMERA.preview}></video>
    <svg viewBox="0 0 ${width} ${height}" aria-hidden="true"><path class="veil" fill-rule="evenodd" d=${hole} /><ellipse cx=${cx} cy=${cy} rx=${rx} ry=${ry} /></svg>
  </div>`;
}

export function Wave({ points, hz }) {
  if (!points.length) return html`<p class="quiet camera-wave">${CAMERA.noWave}</p>`;
  const end = points[points.length - 1].at;
  const values = points.map((point) => point.value);
  const low = Math.min(...values), swing = Math.max(Math.max(...values) - low, LEAST_SWING);
  let line = "", before = -Infinity;
  for (const { at, value } of points) {
    const x = WAVE_WIDTH * (1 - (end - at) / (WAVE_S * 1000)), y = WAVE_HEIGHT * (0.95 - (0.9 * (value - low)) / swing);
    line += `${at - before > (JOINED * 1000) / hz ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    before = at;
  }
  return html`<svg class="camera-wave" viewBox="0 0 ${WAVE_WIDTH} ${WAVE_HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${CAMERA.wave} data-wave=${points.length}><path d=${line} /></svg>`;
}

/** The newest word of the server on the pulse; grey once it is old. */
export function Pulse({ told, toldAt, stale }) {
  if (!told) return html`<div class="camera-pulse"><p class="quiet">${CAMERA.reason.warming_up}</p></div>`;
  const { heart_rate, confidence, reason, advice, seconds_left, respiratory_rate } = told;
  return html`<div class=${`camera-pulse ${stale ? "stale" : ""}`} data-reason=${reason}>
    ${heart_rate === null
      ? html`<p class="camera-rate quiet">${CAMERA.none}</p>`
      : html`<p class="camera-rate" data-rate=${heart_rate}><b>${Math.round(heart_rate)}</b> /min ${reason !== "ok" && html`<span class="mark">${CAMERA.low}</span>`}</p>
        <p data-confidence=${confidence}>${CAMERA.confidence(confidence)} <span class="quiet">· ${age(toldAt, Math.max(toldAt, now.value))}</span></p>`}
    <p data-why>${stale ? CAMERA.stale : `${CAMERA.reason[reason] ?? reason} ${CAMERA.advice[advice] ?? ""} ${heart_rate === null && seconds_left > 0 ? CAMERA.secondsLeft(seconds_left) : ""}`}</p>
    ${respiratory_rate !== null && !stale && html`<p class="quiet">${CAMERA.breathing(respiratory_rate)}</p>`}
  </div>`;
}
