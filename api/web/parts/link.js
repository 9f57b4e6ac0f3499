// The state of the page's own connection, always visible; while it is lost, how old the page is.
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";
import { now } from "../store/data.js";
import { heardAt, linkState } from "../store/live.js";
import { T, age } from "../text.js";

const html = htm.bind(h);
const SHAPES = {
  live: html`<circle cx="6" cy="6" r="4" fill="currentColor" />`,
  connecting: html`<circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="2" />`,
  reconnecting: html`<path d="M10 6a4 4 0 1 1-1.5-3.1M10 1v3H7" fill="none" stroke="currentColor" stroke-width="1.6" />`,
  offline: html`<path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" stroke-width="2" />`,
};

export function LinkState({ banner = false }) {
  const state = linkState.value;
  if (banner) {
    if (state === "live" || !heardAt.value) return null;
    return html`<div class="stale-banner" role="status">${T.link.stale(age(heardAt.value, now.value))}</div>`;
  }
  return html`<span class="link-state link-${state}" data-link=${state}><svg width="12" height="12" aria-hidden="true">${SHAPES[state]}</svg>${T.link[state]}</span>`;
}
