// One measurement: a camera, a device's socket, and the device that was made for it and is removed with it.
import { CAMERA } from "../text.js";
import { Watch, closeCamera, openCamera } from "./camera.js";
import { CameraDevice } from "./camera-device.js";
import { wearers } from "./data.js";
import { DeviceSocket } from "./device-socket.js";
import { api } from "./http.js";

/** What is said aloud again although only the number changed. */
const SAY_AGAIN_MS = 15_000;
const NOTE_MS = 5000;
/** Seconds of the wave that are shown. */
export const WAVE_S = 10;

/** Where devices connect to, by what the server says of itself. */
export async function deviceDoor() {
  const { devices } = await api("/");
  if (!devices) throw new Error(CAMERA.error.unknownDoor);
  return devices.url ?? `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${devices.port}${devices.path}`;
}

export class CameraRun {
  /** @param {{door: string, camera: string, pictures: boolean, token?: string, wearer?: string, onChange: () => void, onEnd: (why: string) => void}} asked */
  constructor(asked) {
    this.asked = asked;
    this.pictures = asked.pictures;
    this.size = [640, 480];
    this.face = null;
    this.told = null;
    this.toldAt = 0;
    this.wave = [];
    this.line = "connecting";
    this.said = "";
    this.saidAt = 0;
    this.note = "";
    this.wearer = wearers.value.get(asked.wearer)?.name ?? "";
    this.device = new CameraDevice();
    this.over = false;
  }

  /** @param {() => HTMLVideoElement} element where the picture is shown, once the page has drawn it */
  async begin(element) {
    this.element = element;
    try {
      await this.look(this.asked.camera);
      const token = this.asked.token ?? (await this.device.make(this.asked.wearer));
      if (this.over) return;
      this.socket = new DeviceSocket(this.asked.door, token, {
        onState: (state, why) => this.onLine(state, why),
        onInstruction: (message) => this.onInstruction(message),
        onShed: () => this.say(CAMERA.shed),
        onRefused: (why) => this.say(CAMERA.refusedPart(why)),
      });
    } catch (error) {
      this.fail(CAMERA.error[error.code] ?? error.message);
    }
  }

  /** Open a camera and follow it, in place of the one before. */
  async look(camera) {
    const stream = await openCamera(camera);
    if (this.over) { closeCamera(stream); return; }
    this.watch?.end();
    closeCamera(this.stream);
    this.stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => { if (this.stream === stream) this.fail(CAMERA.error.ended); });
    const video = this.element();
    video.srcObject = stream;
    video.onresize = () => { this.size = [video.videoWidth, video.videoHeight]; this.asked.onChange(); };
    await video.play();
    this.watch = new Watch(video, {
      onMessage: (message, pictures) => this.socket?.send(message, pictures),
      onFace: (seen) => { if (this.face !== seen) { this.face = seen; this.asked.onChange(); } },
    });
    this.watch.setPictures(this.pictures);
  }

  async change(camera) {
    try {
      await this.look(camera);
    } catch (error) {
      this.fail(CAMERA.error[error.code] ?? error.message);
    }
  }

  setPictures(wanted) {
    this.pictures = wanted;
    this.face = null;
    this.watch?.setPictures(wanted);
    this.asked.onChange();
  }

  onInstruction(message) {
    this.wave = withWave(this.wave, message);
    const other = this.told?.reason !== message.reason || this.told?.advice !== message.advice;
    this.told = message;
    this.toldAt = Date.now();
    if (other || this.toldAt - this.saidAt > SAY_AGAIN_MS) {
      this.saidAt = this.toldAt;
      const number = message.heart_rate === null ? "" : CAMERA.said(message.heart_rate, message.confidence);
      this.said = `${number} ${CAMERA.reason[message.reason] ?? message.reason} ${CAMERA.advice[message.advice] ?? ""}`.trim();
    }
    this.asked.onChange();
  }

  onLine(state, why) {
    if (state === "closed") {
      if (why === "refused") this.refused();
      else this.fail(CAMERA.error[why]);
      return;
    }
    this.line = state;
    this.asked.onChange();
  }

  /** A page is not told why a socket was refused; the server says whether its gateway lives. */
  async refused() {
    const where = new URL(this.asked.door).host;
    let gateway = "up";
    try {
      const found = await fetch("/ready", { headers: { Accept: "application/json" } });
      gateway = (await found.json()).components?.gateway?.state ?? "up";
    } catch { /* then the page's own banner says that nothing can be reached */ }
    this.fail(gateway === "up" ? CAMERA.error.token(where) : CAMERA.error.gateway(where));
  }

  say(words) {
    this.note = words;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => { this.note = ""; this.asked.onChange(); }, NOTE_MS);
    this.asked.onChange();
  }

  async fail(why) {
    if (this.over) return;
    const left = await this.end();
    this.asked.onEnd([why, left].filter(Boolean).join(" "));
  }

  /**
   * Turn the camera off, close the socket, remove the device. Returns what is left to do, in words.
   * @param {boolean} leaving the page is about to go: nothing can be waited for
   */
  async end(leaving = false) {
    if (this.over) return "";
    this.over = true;
    // First of all: a page that goes has no time for what comes later.
    if (leaving) this.device.leave();
    clearTimeout(this.quiet);
    this.watch?.end();
    closeCamera(this.stream);
    this.socket?.close();
    if (leaving) return "";
    try {
      await this.device.remove();
      return "";
    } catch (error) {
      return CAMERA.leftover(error.message);
    }
  }
}

/** Take the newest seconds into the wave's points; what came before at the same time is replaced. */
function withWave(points, { time, wave, wave_hz }) {
  if (!wave?.length || !wave_hz) return points;
  const step = 1000 / wave_hz;
  const from = time - wave.length * step;
  const fresh = wave.map((value, index) => ({ at: from + (index + 1) * step, value }));
  return [...points.filter((point) => point.at <= from + step / 2 && point.at > time - WAVE_S * 1000), ...fresh];
}
