// Camera: a pulse now, of the face in front of this browser. Says what leaves the browser, and is off as soon as the page is left.
import { h } from "../vendor/preact.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { Guide, Pulse, Wave } from "../parts/camera-view.js";
import { cameras } from "../store/camera.js";
import { CameraRun, deviceDoor } from "../store/camera-run.js";
import { now, wearers } from "../store/data.js";
import { session } from "../store/session.js";
import { CAMERA } from "../text.js";

const html = htm.bind(h);
/** An instruction comes once a second; after three nothing on the screen may look live. */
const STALE_MS = 3500;

export function CameraPage() {
  const [, redraw] = useState(0);
  const [door, setDoor] = useState(null);
  const [known, setKnown] = useState([]);
  const [camera, setCamera] = useState("");
  const [pictures, setPictures] = useState(false);
  const [problem, setProblem] = useState("");
  const run = useRef(null);
  const video = useRef(null);
  const title = useRef(null);
  const [done, setDone] = useState("");
  const list = () => cameras().then(setKnown);
  const ended = (which, why) => {
    if (run.current !== which) return;
    run.current = null;
    setProblem(why);
    title.current?.focus();
  };
  const stop = async () => {
    const which = run.current;
    if (which === null) return;
    const left = await which.end();
    ended(which, left);
    setDone(CAMERA.stopped);
  };

  useEffect(() => {
    deviceDoor().then(setDoor, (error) => setProblem(error.message));
    list();
    const leave = () => { run.current?.end(true); run.current = null; };
    navigator.mediaDevices?.addEventListener?.("devicechange", list);
    addEventListener("pagehide", leave);
    return () => {
      navigator.mediaDevices?.removeEventListener?.("devicechange", list);
      removeEventListener("pagehide", leave);
      leave();
    };
  }, []);

  const begin = async (asked) => {
    setProblem("");
    setDone("");
    const mine = new CameraRun({ ...asked, door, camera, pictures, onChange: () => redraw((n) => n + 1), onEnd: (why) => ended(mine, why) });
    run.current = mine;
    redraw((n) => n + 1);
    await mine.begin(() => video.current);
    list();
  };
  const mine = run.current;
  return html`<div class="stack camera">
    <div><h1 ref=${title} tabindex="-1">${CAMERA.title}</h1>${!mine && html`<p class="quiet">${CAMERA.lead}</p>`}</div>
    <p id="camera-problem" role="alert" class=${problem ? "error card" : "unseen"}>${problem}</p>
    <p class="unseen" role="status" aria-live="polite" data-said>${mine ? mine.said : done}</p>
    ${mine && html`<${Running} run=${mine} video=${video} stop=${stop} />`}
    <section class="card stack" aria-label=${CAMERA.useTitle}>
      <div><label for="camera-which">${CAMERA.which}</label>
      <select id="camera-which" value=${camera} onChange=${(event) => { setCamera(event.target.value); mine?.change(event.target.value); }}>
        <option value="">${CAMERA.anyCamera}</option>
        ${known.map((one, index) => html`<option key=${one.deviceId} value=${one.deviceId}>${one.label || CAMERA.unnamed(index + 1)}</option>`)}
      </select></div>
      ${!mine && html`<${Beginning} ready=${door !== null} begin=${begin} />`}
    </section>
    <section class="card" aria-label=${CAMERA.leaves.title}>
      <h2>${CAMERA.leaves.title}</h2>
      <p data-leaves=${pictures ? "pictures" : "colours"}>${door && (pictures ? CAMERA.leaves.pictures : CAMERA.leaves.colours)(new URL(door).host)}</p>
      <p class="quiet">${CAMERA.leaves.kept}</p>
      <label class="camera-switch"><input type="checkbox" role="switch" checked=${pictures} onChange=${(event) => { setPictures(event.target.checked); mine?.setPictures(event.target.checked); }} /> ${CAMERA.leaves.switch}</label>
      <p class="quiet small">${CAMERA.leaves.switchHelp}</p>
    </section>
  </div>`;
}

/** Whose camera it is: an admin has a device made, anybody may bring the token of one. */
function Beginning({ ready, begin }) {
  const admin = session.value.me.role === "admin";
  const [paste, setPaste] = useState(!admin);
  const people = [...wearers.value.values()].sort((a, b) => a.name.localeCompare(b.name));
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    begin(paste ? { token: form.get("token").trim() } : { wearer: form.get("wearer") });
  };
  return html`<form class="stack" onSubmit=${submit} autocomplete="off">
    ${paste
      ? html`<div><label for="camera-token">${CAMERA.paste}</label><input id="camera-token" name="token" type="password" autocomplete="off" required aria-describedby="camera-token-help camera-problem" />
        <p id="camera-token-help" class="quiet small">${CAMERA.pasteHelp}</p></div>`
      : html`<div><label for="camera-wearer">${CAMERA.wearer}</label>
        <select id="camera-wearer" name="wearer" required><option value="">${CAMERA.choose}</option>${people.map((one) => html`<option key=${one.wearer_id} value=${one.wearer_id}>${one.name}</option>`)}</select>
        <p class="quiet small">${CAMERA.device}</p></div>`}
    <div class="row"><button class="main" disabled=${!ready}>${CAMERA.start}</button>
      ${admin && html`<button type="button" class="plain" onClick=${() => setPaste(!paste)}>${paste ? CAMERA.makeInstead : CAMERA.pasteInstead}</button>`}</div>
  </form>`;
}

function Running({ run, video, stop }) {
  const off = useRef(null);
  // Whoever starts it wants to see the oval, not the button.
  useEffect(() => { off.current.focus({ preventScroll: true }); scrollTo(0, 0); }, []);
  const stale = run.told !== null && now.value - run.toldAt > STALE_MS;
  return html`<section class="card camera-live" aria-label=${CAMERA.title}>
    <div>
      <${Guide} video=${video} size=${run.size} face=${run.face} />
      <p class="quiet">${run.face === false ? CAMERA.noFace : ""} ${CAMERA.fit}</p>
    </div>
    <div class="stack">
      <h2 class="unseen">${CAMERA.rate}</h2>
      <${Pulse} told=${run.told} toldAt=${run.toldAt} stale=${stale} />
      <${Wave} points=${run.wave} hz=${run.told?.wave_hz ?? 30} />
      <p class="quiet small" data-line=${run.line}>${run.wearer && `${run.wearer}: `}${CAMERA.line[run.line]} ${run.note}</p>
      <div><button class="main" ref=${off} onClick=${stop}>${CAMERA.stop}</button></div>
    </div>
  </section>`;
}
