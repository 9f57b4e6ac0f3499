// The device that is made for one measurement. Its id alone is kept in this browser, so that one whose page was killed goes at last.
import { api, ApiError } from "./http.js";

const KEPT = "pulsera.camera.devices";
const MODEL = "browser camera";

export class CameraDevice {
  constructor() {
    this.id = null;
    this.gone = false;
    this.free = null;
  }

  /** Make a device of a wearer; returns its token, which nothing keeps. */
  async make(wearer) {
    await removeLeftOver();
    if (this.gone) return "";
    const { device_id, token } = await api(`/wearers/${wearer}/devices`, { method: "POST", body: { model: MODEL } });
    this.id = device_id;
    keep([...kept(), device_id]);
    // Held as long as this page lives, however it ends: so no other page takes it for left over.
    navigator.locks?.request(lockOf(device_id), () => new Promise((free) => { this.free = free; }));
    if (this.gone) await this.remove();
    return token;
  }

  /** Revoke it. */
  async remove() {
    this.gone = true;
    this.free?.();
    if (!this.id) return;
    await revoke(this.id);
    this.forget();
  }

  /** Revoke it from a page that is about to go: nothing can be waited for. What fails is left over, and goes later. */
  leave() {
    this.gone = true;
    this.free?.();
    if (!this.id) return;
    fetch(`/devices/${this.id}`, { method: "DELETE", credentials: "same-origin", keepalive: true })
      .then((answer) => { if (answer.ok) this.forget(); }, () => {});
  }

  forget() {
    if (this.id) drop(this.id);
    this.id = null;
  }
}

/** Revoke what this browser made and no page of it uses any more. What cannot be revoked now stays kept. */
export async function removeLeftOver() {
  if (!navigator.locks) return;
  for (const id of kept()) {
    await navigator.locks.request(lockOf(id), { ifAvailable: true }, async (lock) => {
      if (lock === null) return;
      try {
        await revoke(id);
        drop(id);
      } catch { /* tried again when a camera is next started */ }
    });
  }
}

/** A device that is not there any more is as good as revoked. */
async function revoke(id) {
  try {
    await api(`/devices/${id}`, { method: "DELETE" });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
}

const lockOf = (id) => `${KEPT}.${id}`;

/** @returns {string[]} */
function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(found) ? found.filter((id) => /^[0-9a-f-]{36}$/.test(id)) : [];
  } catch {
    return [];
  }
}

function keep(ids) {
  try { localStorage.setItem(KEPT, JSON.stringify(ids)); } catch { /* a browser that keeps nothing */ }
}

function drop(id) {
  keep(kept().filter((one) => one !== id));
}
