// What the pages show: wearers, newest values, alerts. Fed by one snapshot and then by the live socket.
import { computed, signal } from "../vendor/signals.js";
import { CARD_VITALS, T, VITALS, ZONES } from "../text.js";
import { api } from "./http.js";
import { subscribe } from "./live.js";
import { loadZones, mayAct as mayActInZone, zoneName, zones } from "./zones.js";

/** Ticks once a second so that every age on the screen is true. */
export const now = signal(Date.now());
setInterval(() => { now.value = Date.now(); }, 1000);

/** @type {import("../vendor/signals.js").Signal<Map<string, {wearer_id: string, name: string, timezone: string}>>} */
export const wearers = signal(new Map());
/** Newest value of each vital: wearer -> vital -> {value, at, source, quality, origin, injected, interval_ms} */
export const newest = signal(new Map());
/** wearer -> {at, worn} of the newest reading */
export const heard = signal(new Map());
/** alert_id -> alert */
export const alerts = signal(new Map());
export const loaded = signal(false);
export const problem = signal("");

const PRIORITY = { high: 0, medium: 1, low: 2 };
export const isOpen = (alert) => alert.response !== "resolved" && !(alert.condition === "cleared" && alert.cleared_reason === "superseded");
export const openAlerts = computed(() => [...alerts.value.values()].filter(isOpen).sort(byUrgency));

function byUrgency(a, b) {
  return (a.condition === "cleared") - (b.condition === "cleared") || PRIORITY[a.priority] - PRIORITY[b.priority] || Date.parse(b.onset) - Date.parse(a.onset);
}

let changed = false;
/** Signals change at most once a frame, however many messages arrive. */
const pending = { newest: new Map(), heard: new Map() };
function flushSoon() {
  if (changed) return;
  changed = true;
  setTimeout(() => {
    changed = false;
    newest.value = new Map([...newest.value, ...pending.newest]);
    heard.value = new Map([...heard.value, ...pending.heard]);
    pending.newest.clear();
    pending.heard.clear();
  }, 100);
}

/** Take one reading in; a vital's older value never replaces a newer one. */
export function takeReading(reading) {
  const id = reading.wearer_id;
  const at = Date.parse(reading.time);
  const mine = new Map(pending.newest.get(id) ?? newest.value.get(id) ?? []);
  for (const name of Object.keys(VITALS)) {
    const value = reading[name];
    if (value === null || value === undefined) continue;
    const before = mine.get(name);
    if (before && before.at > at) continue;
    const gap = before && at > before.at ? at - before.at : null;
    const interval_ms = gap === null ? before?.interval_ms ?? null : before.interval_ms === null ? gap : before.interval_ms * 0.7 + gap * 0.3;
    mine.set(name, { value, at, source: reading.source, quality: reading.quality, origin: reading.origin, injected: reading.injected, interval_ms });
  }
  pending.newest.set(id, mine);
  const last = pending.heard.get(id) ?? heard.value.get(id);
  if (!last || last.at <= at) pending.heard.set(id, { at, worn: reading.worn });
  flushSoon();
}

/** A value is stale when it is older than twice its own interval (at least 10 s, 60 s while the interval is unknown). */
export function isStale(entry, nowMs) {
  const limit = entry.interval_ms === null ? 60_000 : Math.max(10_000, 2 * entry.interval_ms);
  return nowMs - entry.at > limit;
}

/** well, watch, alert, nodata or notworn: what a card says of a wearer. */
export function stateOf(id, nowMs) {
  // A resolved alert whose condition holds is still true of the wearer.
  const mine = [...alerts.value.values()].filter((alert) => alert.subject.wearer === id && alert.condition === "active");
  if (mine.some((alert) => alert.type === "physiological" && alert.priority !== "low")) return "alert";
  const last = heard.value.get(id);
  if (!last) return "nodata";
  if (last.worn === false) return "notworn";
  const values = newest.value.get(id);
  const shown = CARD_VITALS.map((name) => values?.get(name)).filter(Boolean);
  if (nowMs - last.at > 60_000 || (shown.length && shown.every((entry) => isStale(entry, nowMs)))) return "nodata";
  return mine.length ? "watch" : "well";
}

const listeners = new Set();
/** @param {(alert: any, isNew: boolean) => void} listener @returns {() => void} */
export function onAlert(listener) { listeners.add(listener); return () => listeners.delete(listener); }

/** Whom or where an alert is about, in words. */
export function subjectName({ wearer, zone }, evidence = {}) {
  if (zone !== undefined) return ZONES.alert(zones.value.get(zone)?.name ?? evidence.place ?? zoneName(zone));
  return wearers.value.get(wearer)?.name ?? T.someone;
}

/** May the viewer answer alerts of this wearer or zone? */
export function mayAnswer({ wearer, zone }) {
  return zone === undefined ? wearers.value.get(wearer)?.scopes?.includes("act") ?? false : mayActInZone(zone);
}

/** Take one alert in; an (id, revision) that is known changes nothing. */
export function takeAlert(alert, announce) {
  const before = alerts.value.get(alert.alert_id);
  if (before && before.revision >= alert.revision) return;
  alerts.value = new Map(alerts.value).set(alert.alert_id, alert);
  if (alert.subject.zone !== undefined && !zones.value.has(alert.subject.zone)) loadZones();
  if (announce) for (const listener of listeners) listener(alert, !before);
}

/** Is it urgent, and unanswered? Then it is said aloud also where it came while this page was not connected. */
const isUnheard = (alert) => alert.priority === "high" && alert.condition === "active" && alert.response === "unseen";

/** Load the wearers, then follow readings and alerts until the returned function is called. */
export function follow() {
  const reload = async () => {
    try {
      const list = [];
      let cursor = null;
      do {
        const page = await api(`/wearers?limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
        list.push(...page.items);
        cursor = page.cursor;
      } while (cursor);
      wearers.value = new Map(list.map((wearer) => [wearer.wearer_id, wearer]));
      problem.value = "";
    } catch (error) {
      problem.value = T.failed(error.message);
    }
    loaded.value = true;
  };
  reload();
  const again = setInterval(reload, 15_000);
  const known = (id) => { if (id && !wearers.value.has(id)) reload(); };
  const ends = [
    subscribe("readings", {}, {
      onSnapshot: (data) => data.forEach(takeReading),
      onUpdate: (data) => { for (const reading of [data].flat()) { takeReading(reading); known(reading.wearer_id); } },
    }),
    subscribe("alerts", {}, {
      onSnapshot: (data, reset) => {
        const known = alerts.value;
        if (reset) alerts.value = new Map();
        data.forEach((alert) => takeAlert(alert, isUnheard(alert) && !known.has(alert.alert_id)));
      },
      onUpdate: (data) => { for (const alert of [data].flat()) takeAlert(alert, true); },
    }),
  ];
  return () => { clearInterval(again); ends.forEach((end) => end()); };
}

/** Answer an alert; returns true when it is recorded, false when it is still on its way. */
export async function answer(alertId, act, body) {
  const state = await api(`/alerts/${alertId}/${act}`, { method: "POST", body, headers: { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` } });
  if (!state?.revision) return false;
  takeAlert(state, false);
  return true;
}
