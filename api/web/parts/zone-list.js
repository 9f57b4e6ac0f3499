// The zones as a table, and the cells of the whole area as another: everything that the map tells.
import { h } from "../vendor/preact.js";
import { useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { now } from "../store/data.js";
import { moment } from "../store/zone-past.js";
import { hasBegun, isOld, isShared, knownUntil, rankOf } from "../store/zones.js";
import { ZONES, age, clock } from "../text.js";
import { Level } from "./level.js";

const html = htm.bind(h);
const L = ZONES.list;
const MOST_CELLS = 20;

/** @param {{entries: {zone: any, status: any}[], chosen: string | null, onOpen: (id: string) => void}} props */
export function ZoneList({ entries, chosen, onOpen }) {
  return html`<table class="zones" aria-label=${L.title}>
    <thead><tr><th scope="col">${L.zone}</th><th scope="col">${L.level}</th><th scope="col">${L.known}</th></tr></thead>
    <tbody>${entries.map(({ zone, status }) => {
      const told = hasBegun(status);
      const old = told && moment.value === null && isOld(status, now.value);
      return html`<tr data-zone=${zone.zone_id} class=${old ? "old" : ""}>
        <th scope="row"><button class="plain open" aria-pressed=${chosen === zone.zone_id} data-open=${zone.zone_id} title=${zone.name} onClick=${() => onOpen(zone.zone_id)}><span class="two-lines">${zone.name}</span></button></th>
        <td><${Level} level=${told ? status.level : null} old=${old} />${marks(zone, status)}</td>
        <td class="quiet small">${known(status, told, old)}</td>
      </tr>`;
    })}</tbody>
  </table>`;
}

function known(status, told, old) {
  if (!told) return "";
  const until = knownUntil(status);
  if (moment.value !== null) return clock(until);
  return old ? ZONES.since(clock(until, undefined, now.value)) : age(until, now.value);
}

function marks(zone, status) {
  const words = status === null && !isShared(zone) ? ZONES.state.unshared : ZONES.state[status?.state];
  return words && html` <span class="mark">${words}</span>`;
}

/** @param {{cells: any[], name: (id: string) => string, chosen: string | null, onOpen: (cell: string) => void}} props */
export function CellList({ cells, name, chosen, onOpen }) {
  const [all, setAll] = useState(false);
  const sorted = [...cells].sort((a, b) => rankOf(a.level) - rankOf(b.level) || (b.active ?? 0) - (a.active ?? 0));
  const shown = all ? sorted : sorted.slice(0, MOST_CELLS);
  return html`<details class="card"><summary>${L.cells(cells.length)}</summary>
    <table class="zones">
      <thead><tr><th scope="col">${L.cell}</th><th scope="col">${L.level}</th><th scope="col">${L.active}</th><th scope="col">${L.flagged}</th></tr></thead>
      <tbody>${shown.map((cell) => html`<tr data-cell=${cell.cell}>
        <th scope="row"><button class="plain open" aria-pressed=${chosen === cell.cell} data-open=${cell.cell} onClick=${() => onOpen(cell.cell)}>${name(cell.cell)}</button></th>
        <td><${Level} level=${cell.level} /></td><td>${count(cell.active)}</td><td>${count(cell.flagged)}</td>
      </tr>`)}</tbody>
    </table>
    ${shown.length < sorted.length && html`<button class="plain" onClick=${() => setAll(true)}>${L.more(sorted.length - shown.length)}</button>`}
  </details>`;
}

const count = (least) => (least == null ? html`<span class="quiet small">${L.hidden}</span>` : L.least(least));
