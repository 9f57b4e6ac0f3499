// Lines at round degrees with their labels, so that a map without pictures still says where it is.
import { ZONES } from "../text.js";

const STEPS = [45, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
/** Least distance of two lines. */
const APART_PX = 90;
/** The buttons' corner, and the height of a line of labels. */
const TAKEN_PX = 110;
const LINE_PX = 44;
const LABEL = { size: [0, 0], pane: "graticule", interactive: false, keyboard: false };

/** Return a layer that draws itself anew whenever the map has moved. */
export function graticule(L, map) {
  map.createPane("graticule").style.zIndex = "350";
  const group = L.layerGroup();
  const draw = () => {
    group.clearLayers();
    const bounds = map.getBounds();
    const size = map.getSize();
    if (!size.x || !size.y) return;
    const perDegree = { x: size.x / Math.max(1e-9, bounds.getEast() - bounds.getWest()), y: size.y / Math.max(1e-9, bounds.getNorth() - bounds.getSouth()) };
    for (const at of rounds(bounds.getWest(), bounds.getEast(), perDegree.x)) {
      line(L, group, [[bounds.getSouth(), at.value], [bounds.getNorth(), at.value]]);
      const x = map.latLngToContainerPoint([0, at.value]).x;
      if (x < size.x - TAKEN_PX) label(L, group, map.containerPointToLatLng([x, 0]), "meridian", ZONES.longitude(at.value, at.decimals));
    }
    for (const at of rounds(bounds.getSouth(), bounds.getNorth(), perDegree.y)) {
      line(L, group, [[at.value, bounds.getWest()], [at.value, bounds.getEast()]]);
      if (map.latLngToContainerPoint([at.value, 0]).y > LINE_PX) label(L, group, L.latLng(at.value, bounds.getWest()), "parallel", ZONES.latitude(at.value, at.decimals));
    }
  };
  map.on("moveend resize", draw);
  return { layer: group, draw };
}

/** Round degrees between two ends, at least `APART_PX` from one another. */
export function rounds(from, to, pxPerDegree) {
  const step = STEPS.findLast((one) => one * pxPerDegree >= APART_PX) ?? STEPS[0];
  const decimals = step >= 1 ? 0 : Math.ceil(-Math.log10(step) - 1e-9);
  const found = [];
  for (let n = Math.ceil(from / step); n * step <= to; n += 1) found.push({ value: n * step, decimals });
  return found;
}

function line(L, group, ends) {
  group.addLayer(L.polyline(ends, { pane: "graticule", interactive: false, className: "graticule" }));
}

function label(L, group, at, kind, words) {
  const element = document.createElement("span");
  element.textContent = words;
  element.setAttribute("aria-hidden", "true");
  group.addLayer(L.marker(at, { pane: LABEL.pane, interactive: LABEL.interactive, keyboard: LABEL.keyboard, icon: L.divIcon({ html: element, iconSize: LABEL.size, className: `graticule-label ${kind}` }) }));
}
