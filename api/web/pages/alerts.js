// Alerts: who does what? Open ones and history.
import { h } from "../vendor/preact.js";
import { useEffect, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { AlertCard } from "../parts/alert.js";
import { alerts, isOpen, openAlerts, takeAlert } from "../store/data.js";
import { api } from "../store/http.js";
import { T } from "../text.js";

const html = htm.bind(h);

export function AlertsPage() {
  const [cursor, setCursor] = useState("");
  const [error, setError] = useState("");
  const more = async (from) => {
    try {
      const page = await api(`/alerts?limit=50${from ? `&cursor=${encodeURIComponent(from)}` : ""}`);
      page.items.forEach((alert) => takeAlert(alert, false));
      setCursor(page.cursor);
      setError("");
    } catch (problem) {
      setError(T.failed(problem.message));
    }
  };
  useEffect(() => { more(""); }, []);
  const past = [...alerts.value.values()].filter((alert) => !isOpen(alert)).sort((a, b) => Date.parse(b.onset) - Date.parse(a.onset));
  return html`<div class="columns">
    <section class="stack" aria-label=${T.alertsOpen}>
      <h1>${T.alertsOpen}</h1>
      ${openAlerts.value.length ? openAlerts.value.map((alert) => html`<${AlertCard} key=${alert.alert_id} alert=${alert} />`) : html`<p class="card quiet">${T.empty.noAlerts}</p>`}
    </section>
    <section class="stack" aria-label=${T.alertsHistory}>
      <h1>${T.alertsHistory}</h1>
      ${error && html`<p class="error card" role="alert">${error}</p>`}
      ${past.length ? past.map((alert) => html`<${AlertCard} key=${alert.alert_id} alert=${alert} />`) : html`<p class="card quiet">${T.empty.noHistory}</p>`}
      ${cursor && html`<button onClick=${() => more(cursor)}>More</button>`}
    </section>
    <p class="quiet small">${T.keys}</p>
  </div>`;
}
