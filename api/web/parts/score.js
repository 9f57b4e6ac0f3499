// The score over time: how far all vitals together are from what is expected, beside the threshold; what was not judged is left open.
import { h } from "../vendor/preact.js";
import { useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import uPlot from "../vendor/uplot.js";
import { unjudged } from "../store/history.js";
import { T, clock, span } from "../text.js";
import { axisStyle, clockSeconds, css, shadeEpisodes } from "./chart.js";
import { usePlot } from "./plot.js";

const html = htm.bind(h);
const HEIGHT = 130;
/** A notice's threshold; what is drawn never looks near it by the choice of the axis. */
const THRESHOLD = 1;
const TOP = 1.6;

export function ScoreChart({ history, timezone, nowMs }) {
  const seen = useRef(null);
  const [line, setLine] = useState("");
  const series = history.scoreSeries();
  seen.current = { series, history };
  const place = usePlot((width) => options(width, timezone, seen, setLine), series.columns, (chart) => {
    chart.setScale("x", { min: (nowMs - history.rangeS * 1000) / 1000, max: nowMs / 1000 });
    chart.setScale("y", { min: 0, max: series.columns[1].reduce((most, value) => Math.max(most, value ?? 0), TOP) });
  });
  const newest = series.scores.findLast(Boolean);
  const open = openTimes(series.scores);
  return html`<section class="card chart" data-chart="score" data-points=${series.columns[1].filter((value) => value != null).length}>
    <div class="row between"><h3>${T.score.title}</h3><span class="quiet small" data-newest-score>${newest ? T.score.newest(newest.score) : ""}</span></div>
    <div class="plot score" ref=${place} role="img" aria-label=${`${T.score.title}; ${newest ? T.score.newest(newest.score) : T.score.none}`}></div>
    <div class="cursor-line" aria-hidden="true">${line}</div>
    <p class="quiet small">${T.score.help}</p>
    ${open.length > 0 && html`<p class="quiet small" data-unjudged>${T.score.open} ${open.map(([why, ms]) => `${T.score.why[why]} ${span(ms / 1000)}`).join(", ")}.</p>`}
  </section>`;
}

/** For how long in all there was no score, by reason, longest first. */
function openTimes(scores) {
  const found = new Map();
  for (const score of scores) {
    const why = score && unjudged(score);
    if (why) found.set(why, (found.get(why) ?? 0) + score.bin_ms);
  }
  return [...found].sort((a, b) => b[1] - a[1]);
}

function options(width, timezone, seen, setLine) {
  const axis = axisStyle();
  return {
    width,
    height: HEIGHT,
    scales: { x: { time: true, auto: false }, y: { auto: false } },
    tzDate: timezone ? (seconds) => uPlot.tzDate(new Date(seconds * 1000), timezone) : undefined,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    axes: [{ ...axis, size: 30, values: (_, splits) => splits.map((at) => clockSeconds(at, timezone)) }, { ...axis, size: 62 }],
    series: [{}, { stroke: css("--accent"), width: 1.5, spanGaps: false, points: { show: false } }],
    hooks: {
      drawClear: [(chart) => shadeEpisodes(chart, seen.current.history, (episode) => episode.type === "physiological")],
      draw: [drawThreshold],
      setCursor: [(chart) => setLine(describe(chart, seen.current.series, timezone))],
    },
  };
}

function drawThreshold(chart) {
  const { left, width } = chart.bbox;
  const y = chart.valToPos(THRESHOLD, "y", true);
  const ratio = devicePixelRatio || 1;
  const { ctx } = chart;
  ctx.save();
  ctx.strokeStyle = css("--medium");
  ctx.fillStyle = css("--medium");
  ctx.lineWidth = ratio;
  ctx.setLineDash([4 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.font = `${12 * ratio}px system-ui`;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  ctx.fillText(T.score.threshold, left + 4 * ratio, y - 2 * ratio);
  ctx.restore();
}

function describe(chart, series, timezone) {
  const score = chart.cursor.idx == null ? null : series.scores[chart.cursor.idx];
  if (!score) return "";
  const why = unjudged(score);
  return [clock(Date.parse(score.bin), timezone), score.score == null ? "" : T.score.newest(score.score), why ? T.score.why[why] : ""].filter(Boolean).join("  ");
}
