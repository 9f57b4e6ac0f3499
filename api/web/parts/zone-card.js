// One zone or cell: level, how seldom by chance, what was seen, what may lie behind it, and how blind it is.
import { h } from "../vendor/preact.js";
import { useEffect, useRef } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { now, openAlerts } from "../store/data.js";
import { moment } from "../store/zone-past.js";
import { BIN_MS, hasBegun, isOld, knownUntil } from "../store/zones.js";
import { ZONES, age, clock } from "../text.js";
import { AlertCard } from "./alert.js";
import { Level } from "./level.js";
import { binText } from "./zone-past.js";

const html = htm.bind(h);
const C = ZONES.card;
const row = ([label, value]) => html`<tr><th scope="row">${label}</th><td>${value}</td></tr>`;

/** Frame of a card: takes the focus when it opens, gives it back by Escape. */
function Card({ name, level, old, onClose, children, ...rest }) {
  const heading = useRef(null);
  useEffect(() => {
    heading.current.focus({ preventScroll: true });
    heading.current.closest("article").scrollIntoView({ block: "nearest" });
  }, []);
  return html`<article class="card zone-card" onKeyDown=${(event) => { if (event.key === "Escape") onClose(); }} ...${rest}>
    <div class="row between centre"><h2 ref=${heading} tabindex="-1">${name}</h2><button class="plain" aria-label=${C.close} title=${C.close} onClick=${onClose}>×</button></div>
    <p class="zone-level"><${Level} level=${level} old=${old} /></p>
    ${children}
  </article>`;
}

/** @param {{zone: any, status: any, onClose: () => void}} props */
export function ZoneCard({ zone, status, onClose }) {
  const old = status !== null && moment.value === null && isOld(status, now.value);
  const told = hasBegun(status);
  const mine = openAlerts.value.filter((alert) => alert.subject.zone === zone.zone_id);
  return html`<${Card} name=${zone.name} level=${told ? status.level : null} old=${old} onClose=${onClose} data-zone-card=${zone.zone_id}>
    <p class="reason">${ZONES.levelHelp[told ? status.level : "none"]}</p>
    ${told && html`<${Freshness} status=${status} old=${old} />`}
    ${told && html`<table class="facts"><tbody>${facts(zone, status).map(row)}</tbody></table>`}
    ${moment.value === null && mine.length > 0 && html`<h3>${C.alerts}</h3><div class="stack">${mine.map((alert) => html`<${AlertCard} key=${alert.alert_id} alert=${alert} />`)}</div>`}
  </${Card}>`;
}

function Freshness({ status, old }) {
  return html`${status.state === "delayed" && html`<p class="zone-delayed" data-delayed>${ZONES.delayed}</p>`}
    ${old && html`<p class="zone-delayed" data-old-note>${ZONES.old(clock(knownUntil(status), undefined, now.value))}</p>`}`;
}

function facts(zone, status) {
  const until = knownUntil(status);
  const seen = status.test && status.window_min;
  return [
    [C.chance, status.level === "too_few_wearers" ? C.none : status.recurrence],
    ...(seen ? [[C.test, ZONES.test[status.test] ?? status.test], [C.window, C.minutes(status.window_min)]] : []),
    ...["labels", "possible"].filter((name) => status[name]?.length).map((name) => [C[name], ZONES.causes(name, status[name])]),
    [C.coverage, ZONES.coverage[status.coverage] ?? status.coverage],
    [C.smallest, ZONES.smallest(status.smallest_visible)],
    [C.episodes, status.active_episodes || C.none],
    ...(status.region?.length ? [[C.region, status.region.length]] : []),
    [C.known, moment.value === null ? `${binText(until - BIN_MS)} (${age(until, now.value)})` : binText(until - BIN_MS)],
    ...(zone.zone_id === "area" ? [] : [[C.version, C.versionOf(status.version)]]),
  ];
}

/** @param {{cell: any, name: string, status: any, onClose: () => void}} props a cell of the fixed partition, and the area's status */
export function CellCard({ cell, name, status, onClose }) {
  const old = moment.value === null && isOld(status, now.value);
  const count = (least) => (least == null ? C.hidden : C.least(least));
  const counts = cell.level === "too_few_wearers" ? [] : [[C.active, count(cell.active)], [C.flagged, count(cell.flagged)]];
  const until = knownUntil(status);
  return html`<${Card} name=${name} level=${cell.level} old=${old} onClose=${onClose} data-cell-card=${cell.cell}>
    <p class="reason">${ZONES.levelHelp[cell.level]}</p>
    <${Freshness} status=${status} old=${old} />
    <table class="facts"><tbody>
      ${counts.map(row)}
      ${row([C.known, moment.value === null ? `${binText(until - BIN_MS)} (${age(until, now.value)})` : binText(until - BIN_MS)])}
    </tbody></table>
    <p class="quiet small">${C.cellHelp}</p>
  </${Card}>`;
}
