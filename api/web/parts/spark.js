// The small line on a card: heart rate of the last 15 minutes, gaps left open.
import { h } from "../vendor/preact.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { api } from "../store/http.js";
import { newest, now } from "../store/data.js";

const html = htm.bind(h);
const WINDOW_MS = 15 * 60_000;
const GAP_MS = 15_000;

export function Spark({ wearer }) {
  const canvas = useRef(null);
  const points = useRef([]);
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver((entries) => setVisible(entries[0].isIntersecting));
    watch.observe(canvas.current);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if (!visible || points.current.length) return;
    const from = new Date(Date.now() - WINDOW_MS).toISOString();
    api(`/wearers/${wearer}/readings?vitals=heart_rate&from=${from}&limit=1000`)
      .then(({ items }) => { points.current = items.filter((r) => r.heart_rate != null).map((r) => [Date.parse(r.time), r.heart_rate]).sort((a, b) => a[0] - b[0]); })
      .catch((error) => { canvas.current?.setAttribute("title", error.message); });
  }, [visible]);
  const last = newest.value.get(wearer)?.get("heart_rate");
  useEffect(() => {
    if (last && last.at > (points.current.at(-1)?.[0] ?? 0)) points.current.push([last.at, last.value]);
  }, [last]);
  useEffect(() => { if (visible && canvas.current) draw(canvas.current, points.current, now.value); }, [now.value, visible]);
  return html`<canvas class="spark" ref=${canvas} role="img" aria-label="Heart rate of the last 15 minutes"></canvas>`;
}

function draw(canvas, points, nowMs) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const from = nowMs - WINDOW_MS;
  while (points.length && points[0][0] < from) points.shift();
  if (points.length < 2) return;
  const values = points.map((point) => point[1]);
  const low = Math.min(...values, 50);
  const high = Math.max(...values, 100);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.strokeStyle = getComputedStyle(canvas).getPropertyValue("--accent");
  pen.lineWidth = 1.5;
  pen.beginPath();
  let before = 0;
  for (const [at, value] of points) {
    const x = ((at - from) / WINDOW_MS) * width;
    const y = height - 2 - ((value - low) / (high - low)) * (height - 4);
    if (at - before > GAP_MS) pen.moveTo(x, y); else pen.lineTo(x, y);
    before = at;
  }
  pen.stroke();
}
