// A zone's level: colour, pattern and word together, the same on the map, in the list and in the legend.
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";
import { LEVELS } from "../store/zones.js";
import { ZONES } from "../text.js";

const html = htm.bind(h);
/** What is drawn over the ground of each level, in a square of 8; `usual` is plain. */
const MARKS = {
  elevated: html`<circle cx="4" cy="4" r="1.5" />`,
  warning: html`<path d="M-2 6L6-2M2 10L10 2" />`,
  critical: html`<path d="M-2 6L6-2M2 10L10 2M-2 2L6 10M2-2L10 6" />`,
  too_few_wearers: html`<path d="M0 4h4" />`,
};

/** The patterns that paths refer to by `url(#level-...)`; takes no room. */
export function Patterns() {
  return html`<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>
    ${[...LEVELS, "none"].map((level) => html`<pattern id="level-${level}" data-level=${level} width="8" height="8" patternUnits="userSpaceOnUse"><rect class="ground" width="8" height="8" />${MARKS[level]}</pattern>`)}
  </defs></svg>`;
}

const Swatch = ({ level, old }) => html`<svg class="swatch zone-shape" width="20" height="20" aria-hidden="true" data-level=${level} data-old=${old ? "" : undefined}><rect x="1.5" y="1.5" width="17" height="17" rx="3" /></svg>`;

/** @param {{level: string | null, old?: boolean}} props null: nothing is told */
export function Level({ level, old = false }) {
  const shown = level ?? "none";
  return html`<span class="level" data-level-word=${shown}><${Swatch} level=${shown} old=${old} />${ZONES.level[shown]}</span>`;
}

export function Legend() {
  return html`<ul class="legend zone-legend" aria-label=${ZONES.legend}>
    ${[...LEVELS].reverse().map((level) => html`<li title=${ZONES.levelHelp[level]}><${Level} level=${level} /></li>`)}
    <li><span class="level"><${Swatch} level="warning" old />${ZONES.level.old}</span></li>
  </ul>`;
}
