// For administrators: make a zone of an outline or of cells chosen on the map, and share a zone with a person.
import { h } from "../vendor/preact.js";
import { useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { api } from "../store/http.js";
import { session } from "../store/session.js";
import { AREA, refreshZones } from "../store/zones.js";
import { T, ZONES } from "../text.js";

const html = htm.bind(h);
const A = ZONES.admin;

/** Run an act of a form, say what came of it. */
function useActing() {
  const [state, setState] = useState({ busy: false, said: "", failed: false });
  const act = async (work) => {
    setState({ busy: true, said: "", failed: false });
    try {
      setState({ busy: false, said: await work(), failed: false });
    } catch (error) {
      setState({ busy: false, said: T.failed(error.message), failed: true });
    }
  };
  const told = html`<p role=${state.failed ? "alert" : "status"} class=${state.failed ? "error" : "small"}>${state.said}</p>`;
  return { act, told, busy: state.busy };
}

/**
 * @param {object} props
 * @param {{zone: any}[]} props.entries zones that there are
 * @param {any[]} props.cells features of the whole area's cells
 * @param {Set<string> | null} props.picked cells chosen on the map, null while none are being chosen
 * @param {(picked: Set<string> | null) => void} props.onPick
 */
export function ZoneAdmin({ entries, cells, picked, onPick }) {
  return html`<details class="card zone-admin"><summary>${A.title}</summary>
    <div class="columns">
      <${Make} cells=${cells} picked=${picked} onPick=${onPick} />
      <${Share} entries=${entries} />
    </div>
  </details>`;
}

function Make({ cells, picked, onPick }) {
  const { act, told, busy } = useActing();
  const [chosen, setChosen] = useState(new Set());
  const done = () => { setChosen(picked); onPick(null); };
  const make = (event) => {
    event.preventDefault();
    const form = event.target;
    const data = new FormData(form);
    act(async () => {
      const made = await api("/community/zones", { method: "POST", body: { name: data.get("name"), geojson: outline(data.get("geojson").trim(), cells, picked ?? chosen) } });
      form.reset();
      setChosen(new Set());
      onPick(null);
      await refreshZones();
      return A.made(made.properties.name);
    });
  };
  const count = (picked ?? chosen).size;
  return html`<form onSubmit=${make} aria-label=${A.makeTitle}>
    <h2>${A.makeTitle}</h2>
    <label for="zone-name">${A.name}</label><input id="zone-name" name="name" required maxlength="200" />
    <label for="zone-outline">${A.geojson}</label><textarea id="zone-outline" name="geojson" rows="4" spellcheck="false"></textarea>
    ${cells.length > 0 && html`<p class="small quiet">${A.pick}. ${A.pickHelp}</p>
      <button type="button" aria-pressed=${picked !== null} onClick=${() => (picked ? done() : onPick(chosen))}>${count ? A.picking(count, picked !== null) : A.choose}</button>`}
    <p><button class="main" disabled=${busy}>${A.make}</button></p>
    ${told}
  </form>`;
}

/** What was pasted, or else the chosen cells, each a polygon of its own. */
function outline(pasted, cells, chosen) {
  if (pasted) {
    try { return JSON.parse(pasted); } catch { throw new Error(A.notJson); }
  }
  const taken = cells.filter((feature) => chosen.has(feature.properties.cell));
  if (!taken.length) throw new Error(A.needOutline);
  return { type: "MultiPolygon", coordinates: taken.map((feature) => feature.geometry.coordinates) };
}

function Share({ entries }) {
  const { act, told, busy } = useActing();
  const named = entries.filter(({ zone }) => zone.zone_id !== AREA);
  const share = (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const scopes = data.getAll("scopes");
    const person = event.submitter?.value === "mine" ? session.value.me.user_id : data.get("person").trim();
    act(async () => {
      if (!scopes.length) throw new Error(A.needScope);
      if (!person) throw new Error(A.needPerson);
      await api(`/community/zones/${encodeURIComponent(data.get("zone"))}/people/${encodeURIComponent(person)}`, { method: "PUT", body: { scopes } });
      await refreshZones();
      return A.shared(event.target.elements.zone.selectedOptions[0].textContent);
    });
  };
  return html`<form onSubmit=${share} aria-label=${A.shareTitle}>
    <h2>${A.shareTitle}</h2>
    <label for="share-zone">${A.zone}</label>
    <select id="share-zone" name="zone"><option value=${AREA}>${ZONES.area}</option>${named.map(({ zone }) => html`<option value=${zone.zone_id}>${zone.name}</option>`)}</select>
    <fieldset class="scopes"><legend>${A.scopes}</legend>${Object.entries(A.scope).map(([key, words]) => html`<label class="tick"><input type="checkbox" name="scopes" value=${key} defaultChecked=${key !== "act"} /> ${words}</label>`)}</fieldset>
    <label for="share-person">${A.person}</label><input id="share-person" name="person" autocomplete="off" spellcheck="false" />
    <div class="acts row"><button class="main" value="person" disabled=${busy}>${A.share}</button><button value="mine" disabled=${busy}>${A.mine}</button></div>
    ${told}
  </form>`;
}
