// Whether every part of the system is well, as the server sees it: what is late or lost must be seen by whoever relies on it.
import { signal } from "../vendor/signals.js";
import { api } from "./http.js";

const ASK_MS = 15_000;

/** @type {import("../vendor/signals.js").Signal<{name: string, state: string, detail: string | null}[]>} the parts that are not well */
export const trouble = signal([]);

/** What the server says of itself, null until it was asked. */
export const service = signal(null);

/** Ask the server what it is, once. */
export async function describe() {
  service.value ??= await api("/").catch(() => null); // asked again by the next page that needs it
}

async function look() {
  let found;
  try {
    // 503 has the same body: it tells which part is down.
    const answer = await fetch("/ready", { headers: { Accept: "application/json" } });
    found = await answer.json();
  } catch {
    return; // the page's own connection has a banner of its own
  }
  trouble.value = Object.entries(found.components ?? {})
    .filter(([, part]) => part.state !== "up")
    .map(([name, part]) => ({ name, state: part.state, detail: part.detail }));
}

/** Look now and then until the returned function is called. */
export function watchSystem() {
  look();
  const again = setInterval(look, ASK_MS);
  return () => clearInterval(again);
}
