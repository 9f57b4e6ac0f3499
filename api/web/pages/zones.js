// Zones: where? A list, a map, the card of what was chosen, and the past.
import { h } from "../vendor/preact.js";
import { useEffect, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { Legend, Patterns } from "../parts/level.js";
import { ZoneAdmin } from "../parts/zone-admin.js";
import { CellCard, ZoneCard } from "../parts/zone-card.js";
import { CellList, ZoneList } from "../parts/zone-list.js";
import { ZoneMap } from "../parts/zone-map.js";
import { PastBanner, PastSlider } from "../parts/zone-past.js";
import { now } from "../store/data.js";
import { session } from "../store/session.js";
import { describe, service } from "../store/system.js";
import { lookAt, moment, pastState, pastStatuses } from "../store/zone-past.js";
import { AREA, followZones, hasBegun, isOld, isShared, loadOutline, outlines, rankOf, standing, worstFirst, zonesLoaded, zonesProblem, zonesSaid } from "../store/zones.js";
import { ZONES } from "../text.js";

const html = htm.bind(h);
const NO_CELLS = new Set();

/** @param {{id: string | null}} props the zone that the address names */
export function ZonesPage({ id }) {
  const [chosen, setChosen] = useState(id ? { kind: "zone", id } : null);
  const [view, setView] = useState(null);
  const [picked, setPicked] = useState(null);
  useEffect(() => { describe(); const end = followZones(); return () => { end(); lookAt(null); }; }, []);
  useEffect(() => { if (id) setChosen({ kind: "zone", id }); }, [id]);
  const live = standing.value;
  const entries = moment.value === null ? live : live.map(({ zone }) => ({ zone, status: pastStatuses.value.get(zone.zone_id) ?? null })).sort(worstFirst);
  useEffect(() => { for (const { zone, status } of entries) loadOutline(zone, status); });
  const area = entries.find(({ zone }) => zone.zone_id === AREA);
  const named = entries.filter(({ zone }) => zone.zone_id !== AREA);
  const cells = area?.status?.cells ?? [];
  const shownView = picked ? "area" : view ?? (named.some(({ status }) => hasBegun(status)) || !cells.length ? "zones" : "area");
  const places = cellPlaces();
  const open = (kind, of) => {
    setChosen({ kind, id: of });
    if (kind === "cell") setView("area"); else setView(of === AREA ? "area" : "zones");
    history.replaceState(null, "", kind === "zone" ? `/app/zones/${of}` : "/app/zones");
  };
  const close = () => {
    document.querySelector(`[data-open="${CSS.escape(chosen.id)}"]`)?.focus();
    setChosen(null);
    history.replaceState(null, "", "/app/zones");
  };
  const onShape = (key) => (picked ? setPicked(toggled(picked, key)) : open(shownView === "area" ? "cell" : "zone", key));
  const asList = { chosen: chosen?.id ?? null };
  return html`<div class="zones-page" data-zones-page data-moment=${moment.value ?? "live"}>
    <${Patterns} />
    <p role="status" class="unseen" data-said>${zonesSaid.value}</p>
    <${PastBanner} />
    <div class="zones-head"><h1>${ZONES.title}</h1><p class="quiet">${ZONES.lead}</p></div>
    ${zonesProblem.value && html`<p class="error card" role="alert">${zonesProblem.value}</p>`}
    <${Empty} entries=${live} />
    ${entries.length > 0 && html`<div class="zones-grid ${moment.value === null ? "" : "is-past"}">
      <section class="stack zones-list" aria-label=${ZONES.list.title}>
        <div class="card"><${ZoneList} entries=${entries} ...${asList} onOpen=${(of) => open("zone", of)} />
          ${moment.value !== null && !pastState.value.loading && entries.every(({ status }) => status === null) && html`<p class="quiet">${ZONES.past.nothing}</p>`}</div>
      </section>
      <section class="stack zones-map" aria-label=${ZONES.view.label}>
        <div class="card map-card">
          ${area && named.length > 0 && html`<div class="ranges" role="group" aria-label=${ZONES.view.label}>${["zones", "area"].map((one) => html`<button class="plain" aria-pressed=${shownView === one} disabled=${picked !== null} onClick=${() => setView(one)}>${ZONES.view[one]}</button>`)}</div>`}
          <${ZoneMap} view=${shownView} shapes=${shapes(shownView, named, area?.status, places)} outlines=${shownView === "area" ? named.map(({ zone }) => outlines.value.get(zone.zone_id)).filter(Boolean) : []}
            chosen=${chosen?.id ?? null} picked=${picked ?? NO_CELLS} onOpen=${onShape} tiles=${service.value?.map ?? null} key=${service.value?.map?.url ?? ""} />
          ${service.value?.map && html`<p class="quiet small attribution">${ZONES.map.by(service.value.map.attribution)}</p>`}
          <${Legend} />
        </div>
        <${PastSlider} zone=${ofStrip(live, chosen)} />
      </section>
      <section class="stack zones-detail">
        <${Chosen} chosen=${chosen} entries=${entries} area=${area} places=${places} onClose=${close} />
        ${cells.length > 0 && html`<${CellList} cells=${cells} name=${(cell) => places.get(cell) ?? cell} ...${asList} onOpen=${(of) => open("cell", of)} />`}
      </section>
    </div>`}
    ${session.value.me.role === "admin" && html`<${ZoneAdmin} entries=${live} cells=${outlines.value.get(AREA)?.features ?? []} picked=${picked} onPick=${setPicked} />`}
  </div>`;
}

function Chosen({ chosen, entries, area, places, onClose }) {
  if (chosen?.kind === "cell") {
    const cell = area?.status?.cells?.find((one) => one.cell === chosen.id);
    if (cell) return html`<${CellCard} key=${cell.cell} cell=${cell} name=${ZONES.cell(places.get(cell.cell) ?? cell.cell)} status=${area.status} onClose=${onClose} />`;
  }
  const entry = chosen?.kind === "zone" && entries.find(({ zone }) => zone.zone_id === chosen.id);
  if (entry) return html`<${ZoneCard} key=${chosen.id} ...${entry} onClose=${onClose} />`;
  return html`<p class="card quiet">${ZONES.card.choose}</p>`;
}

/** What to do where there is nothing to see yet. */
function Empty({ entries }) {
  if (!zonesLoaded.value) return null;
  const shared = entries.filter(({ zone }) => isShared(zone));
  let words = "";
  if (!shared.length) words = session.value.me.role === "admin" ? ZONES.empty.unsharedAdmin : ZONES.empty.unshared;
  else if (!shared.some(({ status }) => hasBegun(status))) words = ZONES.empty.starting;
  else if (shared.every(({ zone, status }) => status?.coverage === "too_few" && (zone.zone_id !== AREA || !status.cells?.length))) words = ZONES.empty.noPlace;
  return words && html`<p class="card" data-empty>${words}</p>`;
}

/** Whose levels the strip of the past shows: the chosen zone's, else the whole area's, else the worst of all zones. */
function ofStrip(live, chosen) {
  const known = live.filter(({ zone }) => isShared(zone));
  const one = (chosen?.kind === "zone" && known.find(({ zone }) => zone.zone_id === chosen.id)) || known.find(({ zone }) => zone.zone_id === AREA);
  return (one ?? known[0] ?? live[0]).zone;
}

/** What the map draws in a view, the worst last and so on top; what is not known lies under all. */
function shapes(view, named, status, places) {
  const found = [];
  if (view === "area") {
    const told = new Map((status?.cells ?? []).map((cell) => [cell.cell, cell]));
    for (const feature of outlines.value.get(AREA)?.features ?? []) {
      const key = feature.properties.cell;
      const level = told.get(key)?.level ?? "none";
      found.push(shape({ key, group: AREA, feature, level, status, name: places.get(key) }));
    }
  } else {
    for (const { zone, status: its } of named) {
      const feature = outlines.value.get(zone.zone_id);
      if (feature) found.push(shape({ key: zone.zone_id, group: "named", feature, level: hasBegun(its) ? its.level : "none", status: its, name: zone.name }));
    }
  }
  // What lies within another is drawn over it; beside one another the worst is drawn last.
  const edges = view === "area" ? [] : found.map((one) => frameOf(one.feature));
  found.forEach((one, at) => { one.depth = edges.filter((frame) => holds(frame, edges[at])).length; });
  return found.sort((a, b) => a.depth - b.depth || rankOf(b.level) - rankOf(a.level) || a.key.localeCompare(b.key));
}

const frames = new WeakMap();

/** West, south, east and north of an outline, worked out once for each. */
function frameOf(feature) {
  if (!frames.has(feature)) {
    const flat = feature.geometry.coordinates.flat(Infinity);
    const [across, up] = [0, 1].map((from) => flat.filter((_, at) => at % 2 === from));
    frames.set(feature, [Math.min(...across), Math.min(...up), Math.max(...across), Math.max(...up)]);
  }
  return frames.get(feature);
}

/** Does one frame hold another, and more? */
function holds(outer, inner) {
  const [west, south, east, north] = inner;
  const within = outer[0] <= west && outer[1] <= south && outer[2] >= east && outer[3] >= north;
  return within && outer.some((side, at) => side !== inner[at]);
}

function shape({ key, group, feature, level, status, name }) {
  const old = status !== null && status !== undefined && moment.value === null && isOld(status, now.value);
  return { key, group, feature, level, old, name, words: ZONES.shape(name, old ? ZONES.level.old : ZONES.level[level]) };
}

/** Where each cell of the area lies, in words, by its middle. */
function cellPlaces() {
  const found = new Map();
  for (const { geometry, properties } of outlines.value.get(AREA)?.features ?? []) {
    const ring = (geometry.type === "MultiPolygon" ? geometry.coordinates[0] : geometry.coordinates)[0].slice(1);
    const mean = (axis) => ring.reduce((sum, point) => sum + point[axis], 0) / ring.length;
    found.set(properties.cell, ZONES.place(mean(1), mean(0)));
  }
  return found;
}

function toggled(set, key) {
  const next = new Set(set);
  if (!next.delete(key)) next.add(key);
  return next;
}
