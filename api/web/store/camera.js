// A camera as a sensor: opens it, measures each frame as it comes, and hands half seconds on. Colours by default; pictures only when asked.
import { Means } from "./camera-means.js";

const LONGEST_SIDE = 640;
/** Pictures are smaller: what they are for is skin, and the line is narrow. */
const PICTURE_SIDE = 400;
const PICTURE_QUALITY = 0.92;
const MESSAGE_MS = 480;
const MOST_FRAMES = 64;
/** The protocol takes at most 60 frames a second. */
const LEAST_GAP_MS = 17;

/** A camera that cannot be used, with the reason as a key of the words. */
export class CameraError extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

const CODES = { NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy", AbortError: "busy" };

/**
 * Ask for a camera.
 * @param {string} deviceId empty for the one that the browser prefers
 * @returns {Promise<MediaStream>}
 */
export async function openCamera(deviceId) {
  if (!navigator.mediaDevices?.getUserMedia) throw new CameraError(isSecureContext ? "old" : "insecure");
  if (!("requestVideoFrameCallback" in HTMLVideoElement.prototype)) throw new CameraError("old");
  const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...which, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30, max: 60 } } });
  } catch (error) {
    throw new CameraError(CODES[error.name] ?? "broken");
  }
}

/** The cameras there are; before the first permission a browser tells neither how many nor their names. */
export async function cameras() {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return all.filter((one) => one.kind === "videoinput" && one.deviceId).map(({ deviceId, label }) => ({ deviceId, label }));
}

/** Turn the camera, and its light, off. */
export const closeCamera = (stream) => stream?.getTracks().forEach((track) => track.stop());

/** Follows a video element frame by frame. */
export class Watch {
  /**
   * @param {HTMLVideoElement} video
   * @param {{onMessage: (message: object, pictures?: Uint8Array[]) => void, onFace: (seen: boolean) => void}} heard
   */
  constructor(video, heard) {
    this.video = video;
    this.heard = heard;
    this.pictures = false;
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.lastMs = 0;
    this.epochMs = Date.now() - performance.now();
    this.handed = Promise.resolve();
    this.begin();
    this.next();
  }

  begin() {
    this.rows = [];
    this.shots = [];
  }

  next() {
    this.handle = this.video.requestVideoFrameCallback((now, frame) => { this.look(now, frame); this.next(); });
  }

  look(now, frame) {
    // When the camera took it, where the browser knows; when it was handed over, otherwise.
    const at = this.epochMs + (frame.captureTime ?? now);
    if (at - this.lastMs < LEAST_GAP_MS) return;
    if (this.rows.length && (at - this.rows[0].at >= MESSAGE_MS || this.rows.length >= MOST_FRAMES)) this.hand();
    this.lastMs = at;
    if (this.pictures) {
      this.shots.push(this.shot());
      this.rows.push({ at });
      return;
    }
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(videoWidth, videoHeight));
    const width = Math.round(videoWidth * scale), height = Math.round(videoHeight * scale);
    if (this.means?.width !== width || this.means?.height !== height) {
      this.means = new Means(width, height);
      [this.canvas.width, this.canvas.height] = [width, height];
    }
    this.context.drawImage(this.video, 0, 0, width, height);
    const seen = this.means.measure(this.context.getImageData(0, 0, width, height).data, at);
    this.rows.push({ at, ...seen });
  }

  /** One frame as JPEG. */
  async shot() {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, PICTURE_SIDE / Math.min(videoWidth, videoHeight));
    const canvas = new OffscreenCanvas(Math.round(videoWidth * scale), Math.round(videoHeight * scale));
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    const picture = await canvas.convertToBlob({ type: "image/jpeg", quality: PICTURE_QUALITY });
    return new Uint8Array(await picture.arrayBuffer());
  }

  /** Hand the half second on that is full. */
  hand() {
    const { rows, shots } = this;
    this.begin();
    const first = Math.round(rows[0].at);
    const times = rows.map((row) => round(Math.max(0, row.at - first), 100));
    if (shots.length) {
      // One after the other: a picture that takes longer must not arrive behind those of the next half second.
      this.handed = Promise.all([this.handed, ...shots]).then(([, ...made]) => {
        if (!this.ended) this.heard.onMessage({ type: "video", time: first, times, encoding: "jpeg", sizes: made.map((one) => one.length) }, made);
      });
      return;
    }
    const face = rows.filter((row) => row.rgb).length * 2 >= rows.length;
    const colours = (name) => rows.map((row) => row[name] && row[name].map((value) => round(value, 10_000)));
    const column = (name) => rows.map((row) => (row[name] === null ? null : round(row[name], 10_000)));
    const background = rows.every((row) => row.background) ? { background: colours("background") } : {};
    this.heard.onMessage({ type: "trace", time: first, times, rgb: colours("rgb"), ...background, saturated: column("saturated"), motion: column("motion") });
    this.heard.onFace(face);
  }

  /** Send pictures from now on, or no longer. */
  setPictures(wanted) {
    if (wanted === this.pictures) return;
    this.begin();
    this.pictures = wanted;
  }

  end() {
    this.ended = true;
    this.video.cancelVideoFrameCallback(this.handle);
    this.begin();
  }
}

const round = (value, steps) => Math.round(value * steps) / steps;
