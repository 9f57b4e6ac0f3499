// One alert: what, how far from expected, since when, who is on it, and the two answers.
import { h } from "../vendor/preact.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { answer, isOpen, mayAnswer, now, subjectName, wearers } from "../store/data.js";
import { T, ZONES, age, clock, evidenceRows } from "../text.js";
import { Marks, Priority } from "./badge.js";

const html = htm.bind(h);

function responseText(alert) {
  const by = (kind) => alert.events.findLast((event) => event.kind === kind)?.by_name ?? "somebody";
  if (alert.response === "acknowledged") return T.response.acknowledged(by("acknowledged"));
  if (alert.response === "resolved") return T.response.resolved(by("resolved"));
  return alert.response === "seen" ? `${T.response.seen} (${by("seen")})` : T.response[alert.response];
}

export function AlertCard({ alert, details = false }) {
  const [open, setOpen] = useState(details);
  const [busy, setBusy] = useState("");
  const [said, setSaid] = useState("");
  const dialog = useRef(null);
  const wearer = wearers.value.get(alert.subject.wearer);
  const zone = wearer?.timezone;
  const onset = Date.parse(alert.onset);
  const fresh = now.value - Date.parse(alert.raised ?? alert.onset) < 5000;
  const mayAct = mayAnswer(alert.subject);
  const name = subjectName(alert.subject, alert.evidence);
  const card = useRef(null);
  useSeen(card, alert, mayAct);
  const act = async (name, body) => {
    setBusy(name);
    setSaid("");
    try {
      setSaid((await answer(alert.alert_id, name, body)) ? "" : T.pending);
    } catch (error) {
      setSaid(T.failed(error.message));
    }
    setBusy("");
  };
  const resolve = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    dialog.current.close();
    act("resolve", { outcome: form.get("outcome"), note: form.get("note") || undefined });
  };
  const answered = alert.response === "acknowledged" || alert.response === "resolved";
  return html`<article ref=${card} class="card alert ${alert.priority} ${fresh ? "fresh" : ""}" data-alert=${alert.alert_id} data-kind=${alert.kind} tabindex="0" aria-label=${`${T.priority[alert.priority]} ${alert.title} ${name}`}>
    <div class="row between centre">
      <div class="row centre"><${Priority} level=${alert.priority} /><h3><${SubjectLink} subject=${alert.subject} name=${name} /></h3></div>
      <span class="quiet small" title=${new Date(onset).toLocaleString()}>${age(onset, now.value, zone)}</span>
    </div>
    <div class="row centre"><b>${alert.title}</b><${Marks} injected=${alert.evidence.injected} origin=${alert.evidence.origin} /></div>
    <p class="reason" data-reason>${alert.reason}</p>
    <div class="row small"><span data-response=${alert.response}>${responseText(alert)}</span>
      ${alert.condition === "cleared" && html`<span class="quiet" data-cleared>${T.cleared[alert.cleared_reason] ?? alert.cleared_reason} (${clock(Date.parse(alert.cleared), zone, now.value)})</span>`}</div>
    ${open && html`<${Evidence} of=${alert} events=${alert.events} zone=${zone} />`}
    <div class="acts">
      ${mayAct && isOpen(alert) && !answered && html`<button class="main" data-act="acknowledge" disabled=${!!busy} onClick=${() => act("acknowledge", {})}>${T.act.acknowledge}</button>`}
      ${mayAct && isOpen(alert) && html`<button data-act="resolve" disabled=${!!busy} onClick=${() => dialog.current.showModal()}>${T.act.resolve}</button>`}
      <button class="plain" aria-expanded=${open} onClick=${() => setOpen(!open)}>${open ? T.act.hide : T.act.why}</button>
    </div>
    <p role="status" class=${said ? "small" : "unseen"}>${said}</p>
    <dialog ref=${dialog} aria-label=${T.act.resolve}>
      <form onSubmit=${resolve}>
        <p>${T.resolveHelp(alert.title, name)}</p>
        <label for="outcome-${alert.alert_id}">${T.act.outcome}</label>
        <select id="outcome-${alert.alert_id}" name="outcome" required><option value="">${T.outcomeChoose}</option>${Object.entries(T.outcome).map(([key, words]) => html`<option value=${key}>${words}</option>`)}</select>
        <label for="note-${alert.alert_id}">${T.act.note}</label>
        <textarea id="note-${alert.alert_id}" name="note" rows="2" maxlength="500"></textarea>
        <div class="acts"><button class="main" data-act="resolve-confirm">${T.act.resolve}</button><button type="button" class="plain" onClick=${() => dialog.current.close()}>${T.act.cancel}</button></div>
      </form>
    </dialog>
  </article>`;
}

/** Whom or where an alert is about, with the way to the page of it; a zone's is the map. */
function SubjectLink({ subject, name }) {
  const known = subject.zone === undefined ? wearers.value.has(subject.wearer) && `/app/wearers/${subject.wearer}` : `/app/zones/${subject.zone}`;
  return known ? html`<a href=${known} title=${subject.zone === undefined ? undefined : ZONES.onMap}>${name}</a>` : name;
}

/** Tell everyone that this carer has seen the alert: a hand or a key on the card, never a page that lies open. */
function useSeen(card, alert, mayAct) {
  useEffect(() => {
    if (alert.response !== "unseen" || !mayAct) return undefined;
    const place = card.current;
    const touched = (event) => {
      if (event.target.closest("[data-act]")) return; // an answer says more than "seen"
      answer(alert.alert_id, "seen", {}).catch(() => {}); // the next touch tells it again
    };
    place.addEventListener("pointerdown", touched);
    place.addEventListener("keydown", touched);
    return () => { place.removeEventListener("pointerdown", touched); place.removeEventListener("keydown", touched); };
  }, [alert.alert_id, alert.response, mayAct]);
}

/** What an alert or an episode rests on, and what happened to it. */
export function Evidence({ of, events = [], zone }) {
  return html`<div data-evidence>
    <table class="facts"><tbody>
      <tr><th scope="row">Began</th><td>${clock(Date.parse(of.onset), zone, now.value)}</td></tr>
      ${evidenceRows(of.evidence).map(([label, text]) => html`<tr><th scope="row">${label}</th><td>${text}</td></tr>`)}
    </tbody></table>
    ${events.length > 0 && html`<ol class="timeline">${events.map((event) => html`<li>${clock(Date.parse(event.at), zone, now.value)} ${T.event[event.kind] ?? event.kind}${event.by_name ? `, ${event.by_name}` : ""}${event.outcome ? `: ${T.outcome[event.outcome] ?? event.outcome}` : ""}${event.note ? `: ${event.note}` : ""}</li>`)}</ol>`}
  </div>`;
}
