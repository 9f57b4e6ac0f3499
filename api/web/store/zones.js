// Zones that the viewer may see: their names, their outlines, how they stand now, and how they stood.
import { computed, signal } from "../vendor/signals.js";
import { T, ZONES } from "../text.js";
import { ApiError, all, api } from "./http.js";
import { subscribe } from "./live.js";

export const AREA = "area";
export const BIN_MS = 300_000;
/** Worst first. */
export const LEVELS = ["critical", "warning", "elevated", "too_few_wearers", "usual"];
/** A bin of five minutes is told some minutes after its end; after three times its length nothing of it is news. */
const STALE_MS = 900_000;
const MOST_ZONES = 1_000;
const ASK_MS = 30_000;
/** So long what comes is gathered before it is drawn. */
const TOGETHER_MS = 100;
/** Of the changes of a moment so many are said aloud, the worst. */
const MOST_SAID = 3;
/** What a page of history holds: a day. */
const PAGE = "288";
const MOST_HISTORY = 1_000;

/** zone_id -> definition as `GET /community/zones` tells it */
export const zones = signal(new Map());
/** zone_id -> newest status */
export const statuses = signal(new Map());
/** zone_id -> GeoJSON feature, or a collection of them for the area */
export const outlines = signal(new Map());
export const zonesLoaded = signal(false);
export const zonesProblem = signal("");
/** What changed last, in words. */
export const zonesSaid = signal("");

/** Zones and how they stand now, worst first, the whole area ahead of its equals. */
export const standing = computed(() => [...zones.value.values()].map((zone) => ({ zone, status: statuses.value.get(zone.zone_id) ?? null })).sort(worstFirst));

/** Order of entries of zones and how they stand. */
export function worstFirst(a, b) {
  return rankOf(a.status?.level) - rankOf(b.status?.level) || (b.zone.zone_id === AREA) - (a.zone.zone_id === AREA) || a.zone.name.localeCompare(b.zone.name);
}
/** Place of what is told among the levels, worst first; what is not known comes after all of them. */
export const rankOf = (level) => (LEVELS.includes(level) ? LEVELS.indexOf(level) : LEVELS.length);

/** End of the newest five minutes that a status knows of (ms); it tells their start. */
export const knownUntil = (status) => Date.parse(status.last_updated) + BIN_MS;
export const isOld = (status, nowMs) => nowMs - knownUntil(status) > STALE_MS;
/** Did its first five minutes come to an end? */
export const hasBegun = (status) => status !== null && status.state !== "starting";
export const mayAct = (zoneId) => zones.value.get(zoneId)?.scopes.includes("act") ?? false;
/** Is its status shared with the viewer? An administrator sees definitions as well. */
export const isShared = (zone) => zone.scopes.includes("status");
export const zoneName = (id) => zones.value.get(id)?.name ?? (id === AREA ? ZONES.area : id);

let loading = null;
/** Load names and definitions; several askers share one request. */
export function loadZones() {
  loading ??= load().finally(() => { loading = null; });
  return loading;
}

async function load() {
  try {
    const { items } = await all("/community/zones", new URLSearchParams({ limit: "500" }), MOST_ZONES);
    zones.value = new Map(items.map((zone) => [zone.zone_id, zone]));
    statuses.value = new Map([...statuses.value].filter(([id]) => zones.value.has(id)));
    zonesProblem.value = "";
  } catch (error) {
    zonesProblem.value = T.failed(error.message);
  }
  zonesLoaded.value = true;
}

/** Take statuses in together; an older one never replaces a newer one. */
function take(told) {
  const known = new Map(statuses.value);
  const said = new Map();
  for (const status of told) {
    const before = known.get(status.zone_id);
    if (before && (knownUntil(before) > knownUntil(status) || before.revision > status.revision)) continue;
    known.set(status.zone_id, status);
    if (before && before.level !== status.level && hasBegun(status)) said.set(status.zone_id, status);
  }
  statuses.value = known;
  const worst = [...said.values()].sort((a, b) => rankOf(a.level) - rankOf(b.level)).slice(0, MOST_SAID);
  if (worst.length) zonesSaid.value = worst.map((status) => ZONES.shape(status.name, ZONES.level[status.level])).join(". ");
  if (told.some((status) => !zones.value.has(status.zone_id))) loadZones();
}

/** Each five minutes every zone is told in a message of its own: the page is drawn once for all of them. */
const heard = gathered(take);
const received = gathered((found) => { outlines.value = new Map([...outlines.value, ...found]); });

/** Return a function that keeps what it is given, and hands all of it on together. */
function gathered(handOn) {
  let waiting = [];
  return (one) => {
    if (!waiting.length) setTimeout(() => { const all = waiting; waiting = []; handOn(all); }, TOGETHER_MS);
    waiting.push(one);
  };
}

/** A zone shared since the socket told of all: nothing comes of it before its next five minutes. */
async function catchUp() {
  const lacking = [...zones.value.values()].filter((zone) => isShared(zone) && !statuses.value.has(zone.zone_id));
  const found = await Promise.all(lacking.map((zone) => api(`/community/zones/${zone.zone_id}/status`).catch(() => null))); // asked again with the next list
  take(found.filter(Boolean));
}

/** Load the list anew, and how those zones stand of which nothing came yet. */
export async function refreshZones() {
  await loadZones();
  await catchUp();
}

/** Follow how the zones stand until the returned function is called. */
export function followZones() {
  loadZones();
  const again = setInterval(refreshZones, ASK_MS);
  const end = subscribe("zones", {}, {
    onSnapshot: (data, reset) => {
      if (reset) statuses.value = new Map();
      take(data);
    },
    onUpdate: (data) => [data].flat().forEach(heard),
    onError: (error) => { zonesProblem.value = T.failed(error.detail || error.code); },
  });
  return () => { clearInterval(again); end(); };
}

const drawn = new Map();
/** Load the outline of a zone, once for each version and, of the area, whenever cells are told that it lacks. */
export async function loadOutline(zone, status) {
  const { zone_id: id, version } = zone;
  const lacking = id === AREA && (status?.cells ?? []).some((cell) => !drawn.get(id)?.cells?.has(cell.cell));
  const asked = id === AREA && status ? knownUntil(status) : 0;
  const before = drawn.get(id);
  if (before && before.version === version && (!lacking || before.asked >= asked)) return;
  if (before?.failedAt > Date.now() - ASK_MS) return;
  drawn.set(id, { version, asked, cells: before?.cells });
  try {
    const shape = await api(`/community/zones/${id}`);
    if (id === AREA) drawn.get(id).cells = new Set(shape.features.map((feature) => feature.properties.cell));
    received([id, shape]);
  } catch (error) {
    drawn.set(id, { failedAt: Date.now() });
    // Nothing is known of a partition before the first status.
    if (!(error instanceof ApiError && error.status === 404)) zonesProblem.value = T.failed(error.message);
  }
}

/**
 * How a zone stood at a moment: what was told last of it in the quarter of an hour before; null where nothing was.
 * @param {string} id
 * @param {number} atMs
 */
export async function statusAt(id, atMs) {
  const query = new URLSearchParams({ from: new Date(atMs - STALE_MS).toISOString(), to: new Date(atMs + 1).toISOString(), limit: "1" });
  const { items } = await api(`/community/zones/${id}/history?${query}`);
  return items[0] ?? null;
}

/** Every status of a zone between two moments, oldest first. */
export async function statusesBetween(id, fromMs, toMs) {
  const query = new URLSearchParams({ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), limit: PAGE });
  const { items } = await all(`/community/zones/${id}/history`, query, MOST_HISTORY);
  return items.reverse();
}
