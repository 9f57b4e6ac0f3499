// One measured value: number, unit, age; grey and with its time of day when it is old.
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";
import { isStale, now } from "../store/data.js";
import { VITALS, age, clock } from "../text.js";

const html = htm.bind(h);

export function Value({ name, entry, timezone }) {
  const vital = VITALS[name];
  const stale = isStale(entry, now.value);
  const told = stale ? `at ${clock(entry.at, timezone, now.value)}` : age(entry.at, now.value, timezone);
  const viewer = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const title = `${vital.label}, ${entry.source ?? "source unknown"}, ${entry.quality == null ? "quality unknown" : `quality ${entry.quality.toFixed(2)}`}, measured ${new Date(entry.at).toLocaleString()} (${viewer})`;
  return html`<span class="value ${stale ? "stale" : ""}" title=${title} data-vital=${name}>
    <span class="quiet small">${vital.label}</span>${" "}<b>${entry.value.toFixed(vital.decimals)}</b>${" "}<span class="small">${vital.unit}</span>${" "}<span class="quiet small">${told}</span>
  </span>`;
}
