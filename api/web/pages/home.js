// Home: is anybody in trouble? Alerts first, then everybody, the worst first.
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";
import { AlertCard } from "../parts/alert.js";
import { Marks, State } from "../parts/badge.js";
import { Spark } from "../parts/spark.js";
import { Value } from "../parts/value.js";
import { heard, loaded, newest, now, openAlerts, problem, stateOf, wearers } from "../store/data.js";
import { CARD_VITALS, T, clock } from "../text.js";

const html = htm.bind(h);
const ORDER = { alert: 0, watch: 1, nodata: 2, notworn: 3, well: 4 };
const MOST_ALERTS = 10;

export function HomePage() {
  const people = [...wearers.value.values()].map((wearer) => ({ wearer, state: stateOf(wearer.wearer_id, now.value) }));
  people.sort((a, b) => ORDER[a.state] - ORDER[b.state] || a.wearer.name.localeCompare(b.wearer.name));
  const open = openAlerts.value;
  return html`<div class="columns">
    <section class="stack" aria-label=${T.nav.alerts}>
      <h1>${T.nav.alerts}</h1>
      ${open.length ? open.slice(0, MOST_ALERTS).map((alert) => html`<${AlertCard} key=${alert.alert_id} alert=${alert} />`) : html`<p class="card quiet">${T.empty.noAlerts}</p>`}
      ${open.length > MOST_ALERTS && html`<a href="/app/alerts">${open.length - MOST_ALERTS} more</a>`}
    </section>
    <section class="stack" aria-label=${T.wearers}>
      <h1>${T.wearers}</h1>
      ${problem.value && html`<p class="error card" role="alert">${problem.value}</p>`}
      ${people.map(({ wearer, state }) => html`<${WearerCard} key=${wearer.wearer_id} wearer=${wearer} state=${state} />`)}
      ${loaded.value && !people.length && html`<${Beginning} />`}
    </section>
  </div>`;
}

function WearerCard({ wearer, state }) {
  const values = newest.value.get(wearer.wearer_id);
  const last = heard.value.get(wearer.wearer_id);
  const shown = CARD_VITALS.filter((name) => values?.has(name));
  const marks = [...(values?.values() ?? [])];
  return html`<a class="card wearer" href="/app/wearers/${wearer.wearer_id}" data-wearer=${wearer.wearer_id}>
    <div class="row centre"><h3>${wearer.name}</h3><${Marks} injected=${marks.some((entry) => entry.injected)} origin=${marks[0]?.origin} /></div>
    <${State} state=${state} />
    <div class="values">
      ${shown.map((name) => html`<${Value} name=${name} entry=${values.get(name)} timezone=${wearer.timezone} />`)}
      ${!last && html`<span class="quiet">${T.state.nodata}</span>`}
      ${state === "nodata" && last && html`<span class="quiet">${T.state.nodata} since ${clock(last.at, wearer.timezone, now.value)}</span>`}
    </div>
    <${Spark} wearer=${wearer.wearer_id} />
  </a>`;
}

function Beginning() {
  const lines = `curl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{"name":"Ada"}' ${location.origin}/wearers\ncurl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{"model":"watch"}' ${location.origin}/wearers/WEARER_ID/devices\npulsera replay demo`;
  return html`<div class="card"><p>${T.empty.wearers}</p><pre tabindex="0">${lines}</pre></div>`;
}
