// The one live socket of the application: pages subscribe and unsubscribe, it reconnects by itself.
import { signal } from "../vendor/signals.js";

/** "connecting" | "live" | "reconnecting" | "offline" */
export const linkState = signal("connecting");
/** When the last message arrived (ms), 0 before the first. */
export const heardAt = signal(0);

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
const ASK_AGAIN_MS = 10_000;
/** Topics that go on from the last cursor; the others are told anew. */
const RESUMED = new Set(["alerts", "zones"]);

/** @type {Map<number, {topic: string, filter: object, cursor: string | null, onSnapshot: Function, onUpdate: Function, onError: Function}>} */
const subscriptions = new Map();
let nextId = 1;
/** @type {WebSocket | null} */
let socket = null;
let retryMs = FIRST_RETRY_MS;
let retryTimer = 0;
let wanted = false;
let onRevoked = () => {};

/** @param {() => void} revoked called when the server says that the sign-in is no longer good */
export function connect(revoked) {
  wanted = true;
  onRevoked = revoked;
  open();
}

export function disconnect() {
  wanted = false;
  clearTimeout(retryTimer);
  socket?.close(1000);
  socket = null;
  subscriptions.clear();
  linkState.value = "connecting";
}

/**
 * @param {string} topic
 * @param {object} filter for example {wearer: id}
 * @param {{onSnapshot: (data: any[], reset: boolean) => void, onUpdate: (data: any) => void, onError?: (error: {code: string, detail: string}) => void}} handlers
 * @returns {() => void} ends the subscription
 */
export function subscribe(topic, filter, { onSnapshot, onUpdate, onError = () => {} }) {
  const id = nextId++;
  subscriptions.set(id, { topic, filter, cursor: null, onSnapshot, onUpdate, onError });
  if (socket?.readyState === WebSocket.OPEN) ask(id);
  return () => {
    if (!subscriptions.delete(id)) return;
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "unsubscribe", id }));
  };
}

function ask(id) {
  const { topic, filter, cursor } = subscriptions.get(id);
  const since = RESUMED.has(topic) && cursor ? { since: cursor } : {};
  socket.send(JSON.stringify({ type: "subscribe", id, topic, ...filter, ...since }));
}

function open() {
  clearTimeout(retryTimer);
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`;
  const mine = new WebSocket(url, ["pulsera.live.v1+json"]);
  socket = mine;
  mine.onopen = () => {
    retryMs = FIRST_RETRY_MS;
    linkState.value = "live";
    heardAt.value = Date.now();
    for (const id of subscriptions.keys()) ask(id);
  };
  mine.onmessage = (event) => receive(JSON.parse(event.data));
  mine.onclose = (event) => {
    if (socket !== mine || !wanted) return;
    socket = null;
    if (event.code === 4401) { onRevoked(); return; }
    linkState.value = navigator.onLine ? "reconnecting" : "offline";
    // Jitter, so that a hundred pages do not come back in the same moment.
    retryTimer = setTimeout(open, retryMs * (0.5 + Math.random()));
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  };
}

function receive(message) {
  heardAt.value = Date.now();
  const subscription = subscriptions.get(message.id);
  if (!subscription) return;
  if (message.type === "snapshot") {
    subscription.cursor = message.cursor;
    subscription.onSnapshot(message.data, message.reset === true);
  } else if (message.type === "update") {
    subscription.cursor = message.cursor;
    subscription.onUpdate(message.data);
  } else if (message.type === "error") {
    subscription.onError(message);
  } else if (message.type === "unsubscribed") {
    // A grant ended it; ask again in a while, in case another is given. Asking costs one refusal.
    setTimeout(() => { if (subscriptions.has(message.id) && socket?.readyState === WebSocket.OPEN) ask(message.id); }, ASK_AGAIN_MS);
  }
}

addEventListener("online", () => { if (wanted && !socket) open(); });
addEventListener("offline", () => { if (wanted) linkState.value = "offline"; });
