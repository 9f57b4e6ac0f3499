// Who is signed in: by one-time link, by token, or by the cookie of an earlier visit.
import { signal } from "../vendor/signals.js";
import { api } from "./http.js";

/** @type {import("../vendor/signals.js").Signal<{state: "unknown" | "out" | "in", me: any, error: string}>} */
export const session = signal({ state: "unknown", me: null, error: "" });

/** Read a one-time code from the address (after the #, so that it never reaches a log), else ask who we are. */
export async function begin() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code) {
    history.replaceState(null, "", "/app/");
    return signIn({ code });
  }
  try {
    session.value = { state: "in", me: await api("/me"), error: "" };
  } catch (error) {
    session.value = { state: "out", me: null, error: error.status === 401 ? "" : error.message };
  }
}

/** @param {{code?: string, token?: string}} proof */
export async function signIn(proof) {
  try {
    await api("/sign-in", { method: "POST", body: proof });
    session.value = { state: "in", me: await api("/me"), error: "" };
  } catch (error) {
    session.value = { state: "out", me: null, error: error.message };
  }
}

export async function signOut() {
  await api("/sign-out", { method: "POST" });
  session.value = { state: "out", me: null, error: "" };
}

export function revoked() {
  session.value = { state: "out", me: null, error: "Your sign-in has ended." };
}
