// Priority and state: colour, shape and word together, never colour alone.
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";
import { T } from "../text.js";

const html = htm.bind(h);
const SHAPES = {
  high: html`<path d="M6 1l5.5 10h-11z" fill="currentColor" />`,
  medium: html`<rect x="1.5" y="1.5" width="9" height="9" fill="currentColor" />`,
  low: html`<circle cx="6" cy="6" r="4" fill="currentColor" />`,
  well: html`<path d="M1.5 6.5l3 3 6-7" fill="none" stroke="currentColor" stroke-width="2" />`,
  watch: html`<rect x="1.5" y="1.5" width="9" height="9" fill="none" stroke="currentColor" stroke-width="2" />`,
  alert: html`<path d="M6 1l5.5 10h-11z" fill="currentColor" />`,
  nodata: html`<path d="M1 6h3M8 6h3" stroke="currentColor" stroke-width="2" />`,
  notworn: html`<circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-dasharray="2 2" stroke-width="2" />`,
};
const STYLE = { well: "well", watch: "medium", alert: "high", nodata: "nodata", notworn: "nodata" };

export const Priority = ({ level }) => html`<span class="badge ${level}"><svg width="12" height="12" aria-hidden="true">${SHAPES[level]}</svg>${T.priority[level]}</span>`;
export const State = ({ state }) => html`<span class="badge ${STYLE[state]}" data-state=${state}><svg width="12" height="12" aria-hidden="true">${SHAPES[state]}</svg>${T.state[state]}</span>`;

/** Marks whatever was not simply measured now: injected, simulated, a recording. */
export function Marks({ injected, origin }) {
  return html`${injected && html`<span class="mark">${T.mark.injected}</span>`}${" "}${origin && origin !== "live" && html`<span class="mark">${T.mark[origin] ?? origin}</span>`}`;
}
