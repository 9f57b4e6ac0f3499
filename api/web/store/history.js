// The stored past of one wearer and what is added to it live: readings, expected bands, episodes.
import { VITALS } from "../text.js";
import { all } from "./http.js";
import { subscribe } from "./live.js";

const MOST_READINGS = 12_000;
const MOST_SCORES = 6_000;
const REDRAW_MS = 500;

export class History {
  /** @param {string} wearer @param {number} rangeS @param {() => void} changed */
  constructor(wearer, rangeS, changed) {
    this.wearer = wearer;
    this.rangeS = rangeS;
    this.changed = changed;
    /** reading time (ms) and stream -> reading; merging by identity keeps a vital that came apart from its neighbour */
    this.readings = new Map();
    this.scores = new Map();
    this.episodes = new Map();
    this.names = new Set();
    this.ready = false;
    this.truncated = false;
    this.error = "";
    this.ends = [];
    this.timer = 0;
  }

  has(name) { return this.names.has(name); }

  async begin() {
    const take = { readings: (r) => this.#reading(r), scores: (s) => this.#score(s), episodes: (e) => this.episodes.set(e.episode_id, e) };
    for (const [topic, one] of Object.entries(take)) {
      this.ends.push(subscribe(topic, { wearer: this.wearer }, {
        onSnapshot: (data) => { data.forEach(one); this.#soon(); },
        onUpdate: (data) => { [data].flat().forEach(one); this.#soon(); },
        onError: (error) => { this.error = error.detail || error.code; this.#soon(); },
      }));
    }
    const query = () => new URLSearchParams({ from: new Date(Date.now() - this.rangeS * 1000).toISOString(), limit: "1000" });
    const at = `/wearers/${this.wearer}`;
    try {
      const [readings, scores, episodes] = await Promise.all([all(`${at}/readings`, query(), MOST_READINGS), all(`${at}/scores`, query(), MOST_SCORES), all(`${at}/episodes`, query(), 500)]);
      readings.items.forEach(take.readings);
      scores.items.forEach(take.scores);
      episodes.items.forEach(take.episodes);
      this.truncated = !readings.complete || !scores.complete;
    } catch (error) {
      this.error = error.message;
    }
    this.ready = true;
    this.changed();
  }

  end() {
    this.ends.forEach((end) => end());
    clearTimeout(this.timer);
  }

  #reading(reading) {
    const key = `${Date.parse(reading.time)} ${reading.device_id} ${reading.source}`;
    const before = this.readings.get(key);
    const known = Object.fromEntries(Object.entries(reading).filter(([, value]) => value !== null && value !== undefined));
    this.readings.set(key, before ? { ...known, ...before } : known);
    for (const name of Object.keys(VITALS)) if (name in known) this.names.add(name);
  }

  /** The newest scored bin in the range, undefined where there is none. */
  lastScore() { return this.scores.get(Math.max(...this.scores.keys())); }

  /** Episodes of the body of which there is no alert among these: history that came too late to call anybody; newest first. */
  without(alerts) {
    const told = new Set(alerts.map((alert) => alert.episode_id));
    const from = Date.now() - this.rangeS * 1000;
    return [...this.episodes.values()]
      .filter((episode) => episode.type === "physiological" && !told.has(episode.episode_id) && Date.parse(episode.ended ?? episode.changed) >= from)
      .sort((a, b) => Date.parse(b.onset) - Date.parse(a.onset));
  }

  #score(score) { this.scores.set(Date.parse(score.bin), score); }

  #soon() {
    if (this.timer) return;
    this.timer = setTimeout(() => { this.timer = 0; this.#forget(); this.changed(); }, REDRAW_MS);
  }

  #forget() {
    const from = Date.now() - this.rangeS * 1000;
    for (const [key, reading] of this.readings) if (Date.parse(reading.time) < from) this.readings.delete(key);
    for (const at of this.scores.keys()) if (at < from) this.scores.delete(at);
  }

  /** Points of one vital: seconds, measured, injected, low and high end of the expected band; null opens a gap, undefined does not. */
  series(name) {
    const rows = [...this.readings.values()].filter((reading) => name in reading).map((reading) => [Date.parse(reading.time), reading]).sort((a, b) => a[0] - b[0]);
    const points = new Map();
    const gap = gapLimit(rows.map((row) => row[0]));
    rows.forEach(([at, reading], index) => {
      const before = rows[index - 1]?.[0];
      if (before !== undefined && at - before > gap) points.set(before + 1, [null, null, undefined, undefined]);
      points.set(at, [reading.injected ? null : reading[name], reading.injected ? reading[name] : null, undefined, undefined, reading]);
    });
    this.#bands(name, points);
    const times = [...points.keys()].sort((a, b) => a - b);
    const columns = [times.map((at) => at / 1000), [], [], [], []];
    for (const at of times) points.get(at).slice(0, 4).forEach((value, column) => columns[column + 1].push(value));
    return { columns, readings: times.map((at) => points.get(at)[4] ?? null) };
  }

  #bands(name, points) {
    const put = (at, low, high) => {
      const point = points.get(at) ?? [undefined, undefined, undefined, undefined];
      point[2] = low;
      point[3] = high;
      points.set(at, point);
    };
    const bins = this.#bins();
    const gap = gapLimit(bins.map((bin) => bin[0]));
    let before = -Infinity;
    for (const [at, score] of bins) {
      const expected = score[`expected_${name}`];
      // What was expected is told of every bin in which the model knows the wearer, whether the vital was measured or not.
      if (expected == null || at - before > gap) put(before + 2, null, null);
      before = at;
      const z = score[`z_${name}`];
      const value = score[`value_${name}`];
      if (expected == null || z == null || value == null || Math.abs(z) < 0.05) continue;
      const scale = Math.abs((value - expected) / z);
      put(at, expected - 2 * scale, expected + 2 * scale);
    }
    points.delete(-Infinity);
  }

  /** Scored bins in order of time: their middle (ms) and what was said of them. */
  #bins() {
    return [...this.scores].sort((a, b) => a[0] - b[0]).map(([at, score]) => [at + score.bin_ms / 2, score]);
  }

  /** The score over time: seconds, score (null opens a gap), and of each point why there is none, null where there is one. */
  scoreSeries() {
    const bins = this.#bins();
    const gap = gapLimit(bins.map((bin) => bin[0]));
    const columns = [[], []];
    const scores = [];
    bins.forEach(([at, score], index) => {
      const before = bins[index - 1]?.[0];
      if (before !== undefined && at - before > gap) add(before + 1, null, null);
      // Nearer to what is expected than usual is no less than not unusual.
      add(at, score.score == null ? null : Math.max(0, score.score), score);
    });
    function add(at, value, score) {
      columns[0].push(at / 1000);
      columns[1].push(value ?? null);
      scores.push(score);
    }
    return { columns, scores };
  }
}

/** Why a bin has no score, or one without the heart rate in it, by the name of its words; null where there is nothing to say. */
export function unjudged(score) {
  if (score.score != null) return score.value_heart_rate != null && score.expected_heart_rate == null ? "heartUnknown" : null;
  if (score.worn === false) return "notWorn";
  if (!Object.keys(score).some((key) => key.startsWith("value_") && key !== "value_motion" && key !== "value_steps" && key !== "value_acceleration")) return "nothing";
  if (score.at_rest === false) return "moving";
  return Object.keys(score).some((key) => key.startsWith("expected_")) ? "doubted" : "unknown";
}

/** A gap is more than four usual steps, at least 5 s. */
function gapLimit(times) {
  const steps = times.slice(1).map((at, index) => at - times[index]).filter((step) => step > 0).sort((a, b) => a - b);
  return Math.max(5_000, 4 * (steps[Math.floor(steps.length / 2)] ?? 0));
}
