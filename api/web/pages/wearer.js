// Wearer: what happened? A chart for each vital, the alerts, the episodes.
import { h } from "../vendor/preact.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { AlertCard } from "../parts/alert.js";
import { Marks, State } from "../parts/badge.js";
import { Chart } from "../parts/chart.js";
import { EpisodeCard } from "../parts/episode.js";
import { ScoreChart } from "../parts/score.js";
import { Value } from "../parts/value.js";
import { alerts, isOpen, loaded, newest, now, stateOf, wearers } from "../store/data.js";
import { History } from "../store/history.js";
import { T, VITALS } from "../text.js";

const html = htm.bind(h);
const SHOWN_FIRST = ["heart_rate", "spo2", "respiratory_rate", "skin_temperature", "body_temperature", "hrv_rmssd", "hrv_sdnn", "motion"];

export function WearerPage({ id }) {
  const [range, setRange] = useState(1800);
  const [, redraw] = useState(0);
  const history = useRef(null);
  useEffect(() => {
    const mine = new History(id, range, () => redraw((count) => count + 1));
    history.current = mine;
    mine.begin();
    return () => mine.end();
  }, [id, range]);
  const wearer = wearers.value.get(id);
  if (!wearer) return html`<p class="card">${loaded.value ? T.empty.forbidden : ""}</p>`;
  const values = newest.value.get(id);
  const mine = [...alerts.value.values()].filter((alert) => alert.subject.wearer === id).sort((a, b) => isOpen(b) - isOpen(a) || Date.parse(b.onset) - Date.parse(a.onset));
  const past = history.current;
  const judged = past?.lastScore();
  const marks = [...(values?.values() ?? [])];
  const alone = past ? past.without(mine) : [];
  const drawn = SHOWN_FIRST.filter((name) => past?.has(name));
  return html`<div class="stack">
    <div class="row between centre">
      <div class="row centre"><h1>${wearer.name}</h1><${State} state=${stateOf(id, now.value)} /><${Marks} injected=${marks.some((entry) => entry.injected)} origin=${marks[0]?.origin} /></div>
      <div class="ranges" role="group" aria-label="Range">${Object.entries(T.range).map(([seconds, words]) => html`<button class="plain" aria-pressed=${range === Number(seconds)} onClick=${() => setRange(Number(seconds))}>${words}</button>`)}</div>
    </div>
    <div class="values card">${Object.keys(VITALS).filter((name) => values?.has(name)).map((name) => html`<${Value} name=${name} entry=${values.get(name)} timezone=${wearer.timezone} />`)}
      ${!marks.length && html`<span class="quiet">${T.state.nodata}</span>`}</div>
    ${judged && html`<p class="quiet" data-rates>${T.model(judged.model)} ${judged.promised_rate != null ? T.rates(judged) : ""} ${judged.score == null ? T.unjudged : ""}</p>`}
    ${past?.error && html`<p class="error card" role="alert">${T.failed(past.error)}</p>`}
    ${past?.truncated && html`<p class="quiet">${T.truncated}</p>`}
    <div class="columns">
      <section class="stack" aria-label=${T.nav.alerts}>
        <h2>${T.nav.alerts}</h2>
        ${mine.length ? mine.slice(0, 20).map((alert) => html`<${AlertCard} key=${alert.alert_id} alert=${alert} />`) : html`<p class="card quiet">${T.empty.noHistory}</p>`}
        ${alone.length > 0 && html`<h2>${T.episodesAlone}</h2>${alone.map((episode) => html`<${EpisodeCard} key=${episode.episode_id} episode=${episode} timezone=${wearer.timezone} />`)}`}
      </section>
      <section class="stack" aria-label="Charts">
        ${past?.ready && !drawn.length && html`<p class="card quiet">${T.empty.noReadings}</p>`}
        ${past && drawn.map((name) => html`<${Chart} key=${`${name}-${range}`} name=${name} history=${past} alerts=${mine} timezone=${wearer.timezone} nowMs=${now.value} />`)}
        ${past && judged && html`<${ScoreChart} key=${`score-${range}`} history=${past} timezone=${wearer.timezone} nowMs=${now.value} />`}
        ${drawn.length > 0 && html`<p class="legend"><span><i class="legend-measured"></i>${T.legend.measured}</span><span><i class="legend-injected"></i>${T.legend.injected}</span><span><i class="legend-band"></i>${T.legend.band}</span><span><i class="legend-episode"></i>${T.legend.episode}</span><span>${T.legend.gap}</span></p>`}
      </section>
    </div>
  </div>`;
}
