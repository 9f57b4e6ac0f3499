// This browser as a device: one socket to the gateway, as docs/protocol.md says. Nothing of it is ever stored.

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** What may wait for its acknowledgement; the oldest goes first. About half a minute of colours. */
const MOST_HELD = 60;
const MOST_HELD_BYTES = 8 * 2 ** 20;
/** More than this on its way means that the line does not keep up. */
const MOST_QUEUED_BYTES = 4 * 2 ** 20;
/** Codes after which trying again helps nobody. */
const FINAL = new Set([4401, 4409, 4413]);
const MOST_FAULTS = 2;
const ALONE = new Set(["background", "saturated", "motion"]);

export class DeviceSocket {
  /**
   * @param {string} url
   * @param {string} token
   * @param {{onState: (state: "connecting" | "open" | "reconnecting" | "closed", why?: string) => void, onInstruction: (message: any) => void, onShed: () => void, onRefused: (why: string) => void}} heard
   */
  constructor(url, token, heard) {
    this.url = url;
    this.token = token;
    this.heard = heard;
    this.boot = crypto.randomUUID();
    this.seq = 0;
    this.held = [];
    this.retryMs = FIRST_RETRY_MS;
    this.greeted = false;
    this.faults = 0;
    this.quietUntil = 0;
    this.ended = false;
    this.open();
  }

  open() {
    this.heard.onState(this.greeted ? "reconnecting" : "connecting");
    this.welcome = false;
    const mine = new WebSocket(this.url, ["pulsera.device.v1+json", `pulsera.token.${this.token}`]);
    this.socket = mine;
    mine.onopen = () => mine.send(JSON.stringify({ type: "hello", boot: this.boot, clock: Date.now(), model: "browser camera" }));
    mine.onmessage = (event) => this.receive(JSON.parse(event.data));
    mine.onclose = (event) => { if (this.socket === mine) this.closed(event.code); };
  }

  receive(message) {
    if (message.type === "welcome") {
      this.welcome = this.greeted = true;
      this.retryMs = FIRST_RETRY_MS;
      for (const one of this.held) this.socket.send(one.data);
      this.heard.onState("open");
    } else if (message.type === "ack") {
      this.faults = 0;
      this.held = this.held.filter((one) => one.seq > message.seq);
    } else if (message.type === "nack") {
      // Background, saturation and motion are refused alone; with any other field nothing of the message was taken.
      const whole = message.rejected.find((one) => !ALONE.has(one.field));
      if (whole) this.heard.onRefused(whole.detail);
    } else if (message.type === "throttle") {
      this.quietUntil = performance.now() + message.retry_after_ms;
    } else if (message.type === "instruction" && message.kind === "pulse") {
      this.heard.onInstruction(message);
    }
  }

  closed(code) {
    this.socket = null;
    this.welcome = false;
    if (this.ended) return;
    if (code === 4400) this.faults++;
    // A handshake that is refused says no more than that to a page.
    const why = FINAL.has(code) ? String(code) : this.faults >= MOST_FAULTS ? "4400" : this.greeted ? "" : "refused";
    if (why) { this.ended = true; this.heard.onState("closed", why); return; }
    this.heard.onState("reconnecting");
    this.timer = setTimeout(() => this.open(), this.retryMs * (0.5 + Math.random()));
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
  }

  /**
   * Send a message of frames; with pictures as one binary message. What a slow line or a busy gateway cannot take is left out.
   * @param {object} message without its number
   * @param {Uint8Array[]} [pictures]
   */
  send(message, pictures) {
    if (this.ended) return;
    if (performance.now() < this.quietUntil || (this.socket?.bufferedAmount ?? 0) > MOST_QUEUED_BYTES) { this.heard.onShed(); return; }
    const text = JSON.stringify({ ...message, seq: ++this.seq });
    const data = pictures ? binary(text, pictures) : text;
    this.held.push({ seq: this.seq, data, bytes: data.length });
    while (this.held.length > MOST_HELD || (this.held.length > 1 && this.held.reduce((sum, one) => sum + one.bytes, 0) > MOST_HELD_BYTES)) this.held.shift();
    if (this.welcome) this.socket.send(data);
  }

  close() {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket?.close(1000);
    this.socket = null;
    this.held = [];
  }
}

/** Four bytes of length, the header, then the pictures one after the other. */
function binary(header, pictures) {
  const words = new TextEncoder().encode(header);
  const whole = new Uint8Array(4 + words.length + pictures.reduce((sum, one) => sum + one.length, 0));
  new DataView(whole.buffer).setUint32(0, words.length);
  whole.set(words, 4);
  let at = 4 + words.length;
  for (const one of pictures) { whole.set(one, at); at += one.length; }
  return whole;
}
