// What the server says of itself when a part of it is late, down or has lost something.
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";
import { trouble } from "../store/system.js";
import { T } from "../text.js";

const html = htm.bind(h);
/** Parts without which no alert comes in time. */
const ALERTING = new Set(["gateway", "kafka", "vitals", "care", "database"]);

export function SystemBanner() {
  const parts = trouble.value;
  if (!parts.length) return null;
  const lead = parts.some((part) => ALERTING.has(part.name)) ? T.system.alerts : T.system.other;
  return html`<div class="trouble-banner" role="status" data-trouble>
    <strong>${lead}</strong>
    ${parts.map((part) => html`<span class="trouble-part"> ${T.system.part(part.name, part.state, part.detail)}</span>`)}
  </div>`;
}
