// Looking back: how the zones stood at a moment that the viewer chose.
import { signal } from "../vendor/signals.js";
import { T } from "../text.js";
import { BIN_MS, hasBegun, knownUntil, standing, statusAt, statusesBetween } from "./zones.js";

/** Start of the five minutes shown (ms); null while the page is live. */
export const moment = signal(null);
/** zone_id -> status at that moment, null where nothing was told */
export const pastStatuses = signal(new Map());
export const pastState = signal({ loading: false, error: "" });

const SETTLED_MS = 150;
const MOST_KEPT = 2_000;
const kept = new Map();
let timer = 0;
let asked = 0;

/** Start of the newest five minutes that any zone is known of (ms), null before the first. */
export function newestBin() {
  const known = standing.value.filter(({ status }) => hasBegun(status)).map(({ status }) => knownUntil(status));
  return known.length ? Math.floor(Math.max(...known) / BIN_MS) * BIN_MS - BIN_MS : null;
}

/** Show a moment; null is live. Asks once the hand on the slider rests. */
export function lookAt(atMs) {
  moment.value = atMs;
  asked += 1;
  clearTimeout(timer);
  if (atMs === null) {
    pastStatuses.value = new Map();
    pastState.value = { loading: false, error: "" };
    return;
  }
  pastState.value = { loading: true, error: "" };
  timer = setTimeout(load, SETTLED_MS, atMs, asked);
}

async function load(atMs, mine) {
  const ids = standing.value.filter(({ status }) => status !== null).map(({ zone }) => zone.zone_id);
  let error = "";
  const found = await Promise.all(ids.map((id) => once(id, atMs).catch((problem) => { error = T.failed(problem.message); return null; })));
  if (mine !== asked) return;
  pastStatuses.value = new Map(ids.map((id, index) => [id, found[index]]));
  pastState.value = { loading: false, error };
}

async function once(id, atMs) {
  const key = `${id} ${atMs}`;
  if (!kept.has(key)) {
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(key, await statusAt(id, atMs));
  }
  return kept.get(key);
}

/** Levels of a zone by the start of their five minutes (ms), for the strip above the slider. */
export async function levelsOf(id, fromMs, toMs) {
  const found = await statusesBetween(id, fromMs, toMs);
  return new Map(found.map((status) => [Math.floor((knownUntil(status) - BIN_MS) / BIN_MS) * BIN_MS, status.level]));
}
