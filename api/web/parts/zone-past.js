// The slider of the past: five minutes a step, a strip of the chosen zone's levels above it, one button back to live.
import { h } from "../vendor/preact.js";
import { useEffect, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { levelsOf, lookAt, moment, newestBin, pastState } from "../store/zone-past.js";
import { BIN_MS } from "../store/zones.js";
import { T, ZONES, clock } from "../text.js";

const html = htm.bind(h);
const HOUR_MS = 3_600_000;
const P = ZONES.past;
const MOST_BLOCKS = 288;

/** @param {{zone: {zone_id: string, name: string}}} props whose levels the strip shows */
export function PastSlider({ zone }) {
  const [hours, setHours] = useState(24);
  const [levels, setLevels] = useState(new Map());
  const [problem, setProblem] = useState("");
  const newest = newestBin();
  const span = hours * HOUR_MS;
  useEffect(() => {
    if (newest === null) return undefined;
    let gone = false;
    levelsOf(zone.zone_id, newest - span, newest + 1).then((found) => { if (!gone) { setLevels(found); setProblem(""); } }, (error) => { if (!gone) setProblem(T.failed(error.message)); });
    return () => { gone = true; };
  }, [zone.zone_id, hours, newest]);
  if (newest === null) return null;
  const steps = span / BIN_MS;
  const at = moment.value ?? newest;
  const step = Math.max(0, steps - Math.round((newest - at) / BIN_MS));
  const show = (to) => lookAt(to >= steps ? null : newest - (steps - Math.max(0, to)) * BIN_MS);
  const words = moment.value === null ? P.live : P.said(binText(at), ZONES.level[levels.get(at)]?.toLowerCase());
  const move = (to) => { setHours(to); if (moment.value !== null && moment.value < newest - to * HOUR_MS) lookAt(null); };
  return html`<section class="card past" aria-label=${P.title} data-past=${moment.value === null ? "live" : "past"}>
    <div class="row between centre"><h2>${P.title}</h2><div class="ranges" role="group" aria-label=${P.rangeLabel}>${Object.entries(P.range).map(([key, label]) => html`<button class="plain" aria-pressed=${hours === Number(key)} onClick=${() => move(Number(key))}>${label}</button>`)}</div></div>
    <p class="small quiet strip-name two-lines" title=${zone.name} data-strip=${zone.zone_id}>${P.strip(zone.name)}</p>
    <${Strip} levels=${levels} from=${newest - span} steps=${steps} at=${moment.value} />
    <input type="range" min="0" max=${steps} step="1" value=${step} aria-label=${P.label} aria-valuetext=${words} onInput=${(event) => show(Number(event.target.value))} />
    <div class="row between small quiet" aria-hidden="true"><span>${clock(newest - span)}</span><span>${P.live}</span></div>
    <div class="row centre past-steps">
      <button class="plain" aria-label=${P.earlier} onClick=${() => show(step - 1)} disabled=${step <= 0}>‹</button>
      <b data-moment>${words}</b>
      <button class="plain" aria-label=${P.later} onClick=${() => show(step + 1)} disabled=${step >= steps}>›</button>
      ${moment.value !== null && html`<button class="main" onClick=${() => lookAt(null)}>${P.back}</button>`}
    </div>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
  </section>`;
}

/** What the whole page shows is the past: said above everything, with the way back. */
export function PastBanner() {
  if (moment.value === null) return null;
  const { loading, error } = pastState.value;
  return html`<div class="past-banner" role="status" data-past-banner><strong>${P.banner(binText(moment.value))}</strong>${loading && html` ${P.loading}`}${error && html` ${error}`} <button onClick=${() => lookAt(null)}>${P.back}</button></div>`;
}

export const binText = (fromMs) => ZONES.bin(clock(fromMs), new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(fromMs + BIN_MS));

const WORSE = ["usual", "too_few_wearers", "elevated", "warning", "critical"];

/** One block for each five minutes, or, of a long time, the worst of some; nothing where nothing was told. */
function Strip({ levels, from, steps, at }) {
  const together = Math.ceil(steps / MOST_BLOCKS);
  const blocks = [];
  for (let n = 0; n <= steps; n += together) {
    const inside = Array.from({ length: together }, (_, m) => levels.get(from + (n + m) * BIN_MS)).filter(Boolean);
    const worst = WORSE.findLast((level) => inside.includes(level));
    const before = blocks.at(-1);
    if (worst && before?.level === worst && before.end === n) before.end = n + together;
    else if (worst) blocks.push({ level: worst, start: n, end: n + together });
  }
  const x = (n) => `${(100 * n) / (steps + together)}%`;
  return html`<svg class="strip" width="100%" height="28" aria-hidden="true">
    ${blocks.map((one) => html`<rect class="zone-shape" data-level=${one.level} x=${x(one.start)} width=${x(one.end - one.start)} y="2" height="24" />`)}
    ${at !== null && html`<rect class="strip-at" x=${x((at - from) / BIN_MS)} width="3" y="0" height="28" />`}
  </svg>`;
}
