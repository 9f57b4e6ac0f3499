// An episode of which there is no alert: what it was, when, and what it rests on.
import { h } from "../vendor/preact.js";
import { useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { now } from "../store/data.js";
import { T, clock } from "../text.js";
import { Evidence } from "./alert.js";
import { Marks } from "./badge.js";

const html = htm.bind(h);

export function EpisodeCard({ episode, timezone }) {
  const [open, setOpen] = useState(false);
  const at = (text) => clock(Date.parse(text), timezone, now.value);
  return html`<article class="card" data-episode=${episode.episode_id}>
    <div class="row between"><b>${T.tier[episode.tier] ?? ""}</b><span class="quiet small">${at(episode.onset)}${episode.ended ? ` – ${at(episode.ended)}` : ""}</span></div>
    <p class="reason">${episode.reason} <${Marks} injected=${episode.evidence.injected} origin=${episode.evidence.origin} /></p>
    ${open && html`<${Evidence} of=${episode} zone=${timezone} />`}
    <button class="plain" aria-expanded=${open} onClick=${() => setOpen(!open)}>${open ? T.act.hide : T.act.why}</button>
  </article>`;
}
