// The map: outlines of named zones or cells of the whole area, a graticule, a scale; tiles only where a setting names a server.
import { h } from "../vendor/preact.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { AREA } from "../store/zones.js";
import { ZONES } from "../text.js";
import { graticule } from "./graticule.js";
import { Names } from "./zone-names.js";
import { Shapes } from "./zone-shapes.js";

const html = htm.bind(h);
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const WORLD = [[-60, -170], [75, 170]];
const PADDING = { paddingTopLeft: [24, 28], paddingBottomRight: [60, 32] };
/** A chosen zone that is smaller on the screen, or not in sight, is gone to. */
const SEEN_PX = 48;
const NEAR = 14;
/** A smaller one is drawn as a dot. */
const DOT_PX = 10;
const MAP = { attributionControl: false, zoomControl: false, zoomSnap: 0.5, scrollWheelZoom: false, maxZoom: 16, minZoom: 1, worldCopyJump: false };

/**
 * @param {object} props
 * @param {"zones" | "area"} props.view
 * @param {{key: string, group: string, feature: any, level: string, old: boolean, words: string, name: string}[]} props.shapes in the order of drawing
 * @param {any[]} props.outlines features drawn as lines alone
 * @param {string | null} props.chosen key of a shape
 * @param {Set<string>} props.picked keys that stand out
 * @param {(key: string) => void} props.onOpen
 * @param {{url: string, attribution: string} | null} props.tiles
 */
export function ZoneMap({ view, shapes, outlines, chosen, picked, onOpen, tiles }) {
  const place = useRef(null);
  const drawn = useRef(null);
  const open = useRef(onOpen);
  open.current = onOpen;
  const [state, setState] = useState("loading");
  useEffect(() => {
    let gone = false;
    // Only this page needs it; nobody else waits for it.
    import("../vendor/leaflet.js").then(({ default: L }) => {
      if (gone) return;
      drawn.current = new Drawing(L, place.current, tiles, (key) => open.current(key));
      setState("ready");
    }, () => { if (!gone) setState("failed"); });
    return () => { gone = true; drawn.current?.end(); drawn.current = null; };
  }, []);
  useEffect(() => { drawn.current?.show({ view, shapes, outlines, chosen, picked }); });
  return html`<div class="map-frame">
    <div class="map" ref=${place} role="group" aria-label=${ZONES.map.label} data-map=${state} data-ground=${tiles ? "" : undefined} data-shapes=${shapes.length}></div>
    ${state === "ready" && html`<div class="map-buttons">
      <button aria-label=${ZONES.map.zoomIn} title=${ZONES.map.zoomIn} onClick=${() => drawn.current.zoom(1)}>+</button>
      <button aria-label=${ZONES.map.zoomOut} title=${ZONES.map.zoomOut} onClick=${() => drawn.current.zoom(-1)}>−</button>
      <button aria-label=${ZONES.map.whole} title=${ZONES.map.whole} onClick=${() => drawn.current.fit()}><svg width="16" height="16" aria-hidden="true"><path d="M1 5V1h4M11 1h4v4M15 11v4h-4M5 15H1v-4" fill="none" stroke="currentColor" stroke-width="2" /></svg></button>
    </div>`}
    ${state === "ready" && !shapes.length && !outlines.length && html`<p class="map-note quiet">${ZONES.map.none}</p>`}
    ${state === "failed" && html`<p class="map-note" role="alert">${ZONES.map.failed}</p>`}
  </div>`;
}

/** What Leaflet holds; draws anew only what changed. */
class Drawing {
  constructor(L, place, tiles, open) {
    this.L = L;
    const calm = STILL.matches;
    this.map = L.map(place, { ...MAP, zoomAnimation: !calm, fadeAnimation: !calm, markerZoomAnimation: !calm, inertia: !calm });
    this.map.fitBounds(WORLD);
    if (tiles) L.tileLayer(tiles.url, { maxZoom: 19, alt: "", referrerPolicy: "origin" }).addTo(this.map);
    this.lines = graticule(L, this.map);
    this.lines.layer.addTo(this.map);
    L.control.scale({ imperial: false, position: "bottomright", maxWidth: 120 }).addTo(this.map);
    this.shapes = new Shapes(this.map, open);
    this.group = L.featureGroup().addTo(this.map);
    this.over = L.featureGroup().addTo(this.map);
    this.halo = L.featureGroup().addTo(this.map);
    this.names = new Names(this.map);
    /** key -> {layer, feature} */
    this.layers = new Map();
    this.extent = "";
    this.moved = false;
    this.goneTo = null;
    this.map.on("dragstart", () => { this.moved = true; });
    this.map.on("zoomend", () => this.#dots());
    this.resize = new ResizeObserver(() => this.map.invalidateSize({ animate: false }));
    this.resize.observe(place);
    this.lines.draw();
  }

  show({ view, shapes, outlines, chosen, picked }) {
    const signature = [view, ...shapes.map((one) => `${one.key} ${one.feature.properties.version ?? ""}`), ...outlines.map((one) => one.properties.zone_id + one.properties.version)].join("|");
    if (signature !== this.signature) {
      this.signature = signature;
      this.#draw(shapes, outlines);
    }
    for (const one of shapes) this.shapes.label(one.key, one);
    this.shapes.mark((key) => key === chosen || picked.has(key));
    this.#halo([chosen, ...picked]);
    // Outlines come some at a time; who has moved the map keeps what they look at.
    const extent = `${view} ${shapes.length}`;
    if (extent !== this.extent) {
      if (!this.moved || !extent.startsWith(`${this.extent.split(" ")[0]} `)) this.fit();
      this.extent = extent;
    }
    this.#go(chosen);
    this.#names(view, shapes, chosen);
  }

  /** Draw what is new, take away what is gone, and bring all into their order; what is as it was stays. */
  #draw(shapes, outlines) {
    const focused = this.shapes.known.size && document.activeElement?.dataset?.shape;
    const features = new Map(shapes.map((one) => [one.key, one.feature]));
    for (const [key, { layer, feature }] of this.layers) {
      if (features.get(key) === feature) continue;
      this.group.removeLayer(layer);
      this.layers.delete(key);
      this.shapes.remove(key);
    }
    for (const { key, feature, group } of shapes) {
      if (this.layers.has(key)) continue;
      const layer = this.L.geoJSON(feature, { style: { className: `zone-shape ${group}`, weight: group === AREA ? 1 : 2.5 } }).getLayers()[0];
      this.group.addLayer(layer);
      this.layers.set(key, { layer, feature });
      this.shapes.add(key, layer);
    }
    for (const { key } of shapes) this.layers.get(key).layer.bringToFront();
    this.#dots();
    this.over.clearLayers();
    for (const feature of outlines) this.over.addLayer(this.L.geoJSON(feature, { interactive: false, style: { className: "zone-outline", fill: false, weight: 2 } }));
    if (focused) this.shapes.known.get(focused)?.element.focus({ preventScroll: true });
  }

  /** Names lie over their zones: the chosen one's before all, then the worst. */
  #names(view, shapes, chosen) {
    const wanted = view === "area" ? [] : [...shapes].reverse().sort((a, b) => (b.key === chosen) - (a.key === chosen));
    const signature = wanted.map((one) => `${one.key} ${one.name}`).join("|") + this.signature;
    if (signature === this.named) return;
    this.named = signature;
    this.names.show(wanted, (key) => this.layers.get(key).layer.getBounds());
  }

  #halo(keys) {
    const signature = `${this.signature} ${keys.join(" ")}`;
    if (signature === this.haloed) return;
    this.haloed = signature;
    this.halo.clearLayers();
    for (const key of keys) {
      const layer = this.layers.get(key)?.layer;
      if (layer) this.halo.addLayer(this.L.polygon(layer.getLatLngs(), { interactive: false, fill: false, weight: 4, className: "zone-halo" }));
    }
  }

  /** Of zones a country apart something is to be seen too. */
  #dots() {
    for (const { layer } of this.layers.values()) layer.getElement().classList.toggle("dot", this.#across(layer.getBounds()) < DOT_PX);
  }

  /** How large bounds are on the screen (px). */
  #across(bounds) {
    const [one, other] = [bounds.getNorthWest(), bounds.getSouthEast()].map((corner) => this.map.latLngToContainerPoint(corner));
    return Math.max(other.x - one.x, other.y - one.y);
  }

  /** Go to what was chosen, once and as soon as its outline is there, unless it is well in sight. */
  #go(chosen) {
    if (chosen === this.goneTo) return;
    const bounds = this.layers.get(chosen)?.layer.getBounds();
    if (bounds === undefined) {
      this.goneTo = null;
      return;
    }
    this.goneTo = chosen;
    if (this.map.getBounds().contains(bounds) && this.#across(bounds) >= SEEN_PX) return;
    this.moved = true;
    this.map.fitBounds(bounds, { ...PADDING, maxZoom: NEAR, animate: false });
  }

  zoom(by) {
    this.moved = true;
    this.map.zoomIn(by);
  }

  /** Show everything that is drawn. */
  fit() {
    const bounds = this.group.getBounds();
    if (!bounds.isValid()) return;
    this.moved = false;
    this.map.fitBounds(bounds, { ...PADDING, maxZoom: NEAR, animate: false });
  }

  end() {
    this.resize.disconnect();
    this.map.remove();
  }
}
