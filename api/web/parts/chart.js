// One vital over time: measured line, injected part, expected band, episodes shaded, alerts marked, gaps open.
import { h } from "../vendor/preact.js";
import { useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import uPlot from "../vendor/uplot.js";
import { VITALS, clock } from "../text.js";
import { usePlot } from "./plot.js";

const html = htm.bind(h);
export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Chart({ name, history, alerts, timezone, nowMs }) {
  const seen = useRef({ series: null, alerts });
  const [line, setLine] = useState("");
  const vital = VITALS[name];
  const series = history.series(name);
  seen.current = { series, alerts, history };
  const place = usePlot((width) => options(name, width, timezone, seen, setLine), series.columns, (chart) => {
    chart.setScale("x", { min: (nowMs - history.rangeS * 1000) / 1000, max: nowMs / 1000 });
    chart.setScale("y", yRange(vital, series.columns));
  });
  const last = series.columns[1].findLast((value) => value != null) ?? series.columns[2].findLast((value) => value != null);
  return html`<section class="card chart" data-chart=${name} data-points=${series.readings.filter(Boolean).length}>
    <div class="row between"><h3>${vital.label}</h3><span class="quiet small">${vital.unit}</span></div>
    <div class="plot" ref=${place} role="img" aria-label=${`${vital.label} over time; newest ${last == null ? "none" : `${last.toFixed(vital.decimals)} ${vital.unit}`}`}></div>
    <div class="cursor-line" aria-hidden="true">${line}</div>
  </section>`;
}

function yRange(vital, columns) {
  const [low, high] = vital.range;
  const values = columns.slice(1).flat().filter((value) => value != null);
  return values.length ? { min: Math.min(low, ...minMax(values)), max: Math.max(high, ...minMax(values)) } : { min: low, max: high };
}

function minMax(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  return [low, high];
}

function options(name, width, timezone, seen, setLine) {
  const vital = VITALS[name];
  const axis = axisStyle();
  const stroke = (token) => ({ stroke: css(token), width: 1.5, spanGaps: false, points: { show: false } });
  return {
    width,
    height: 200,
    scales: { x: { time: true, auto: false }, y: { auto: false } },
    tzDate: timezone ? (seconds) => uPlot.tzDate(new Date(seconds * 1000), timezone) : undefined,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    axes: [{ ...axis, size: 30, values: (_, splits) => splits.map((at) => clockSeconds(at, timezone)) }, { ...axis, size: 44, label: vital.unit || undefined, labelSize: 18, labelFont: "12px system-ui" }],
    series: [{}, stroke("--accent"), { ...stroke("--medium"), dash: [6, 3] }, { stroke: "transparent", spanGaps: false, points: { show: false } }, { stroke: "transparent", spanGaps: false, points: { show: false } }],
    bands: [{ series: [4, 3], fill: css("--band") }],
    hooks: {
      drawClear: [(chart) => shadeEpisodes(chart, seen.current.history, (episode) => episode.evidence?.vital === name || episode.type === "technical")],
      draw: [(chart) => markAlerts(chart, name, seen.current.alerts)],
      setCursor: [(chart) => setLine(describe(chart, seen.current.series, vital, timezone))],
    },
  };
}

export const axisStyle = () => ({ stroke: css("--quiet"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") }, font: "12px system-ui" });

export const clockSeconds = (at, timezone) => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: timezone || undefined }).format(at * 1000);

export function shadeEpisodes(chart, history, isShown) {
  const { left, top, width, height } = chart.bbox;
  for (const episode of history.episodes.values()) {
    if (!isShown(episode)) continue;
    const from = chart.valToPos(Date.parse(episode.onset) / 1000, "x", true);
    const to = chart.valToPos((episode.ended ? Date.parse(episode.ended) : Date.now()) / 1000, "x", true);
    const x = Math.max(left, from);
    const end = Math.min(left + width, to);
    if (end <= x) continue;
    chart.ctx.save();
    chart.ctx.globalAlpha = 0.1;
    chart.ctx.fillStyle = css(episode.type === "technical" ? "--nodata" : episode.tier >= 3 ? "--high" : episode.tier === 2 ? "--medium" : "--low");
    chart.ctx.fillRect(x, top, end - x, height);
    chart.ctx.restore();
  }
}

function markAlerts(chart, name, alerts) {
  const { left, top, width } = chart.bbox;
  for (const alert of alerts) {
    if (alert.evidence.vital !== name) continue;
    const x = chart.valToPos(Date.parse(alert.onset) / 1000, "x", true);
    if (x < left || x > left + width) continue;
    const size = 5 * (devicePixelRatio || 1);
    chart.ctx.save();
    chart.ctx.fillStyle = css(`--${alert.priority}`);
    chart.ctx.beginPath();
    chart.ctx.moveTo(x, top + 2 * size);
    chart.ctx.lineTo(x - size, top);
    chart.ctx.lineTo(x + size, top);
    chart.ctx.fill();
    chart.ctx.restore();
  }
}

function describe(chart, series, vital, timezone) {
  const index = chart.cursor.idx;
  const reading = index == null ? null : series.readings[index];
  if (!reading) return "";
  const value = chart.data[1][index] ?? chart.data[2][index];
  const quality = reading.quality == null ? "quality unknown" : `quality ${reading.quality.toFixed(2)}`;
  return `${clock(Date.parse(reading.time), timezone)}  ${value?.toFixed(vital.decimals)} ${vital.unit}  ${reading.source ?? ""}  ${quality}${reading.injected ? "  injected" : ""}`;
}
