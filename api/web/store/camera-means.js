// Mean colours of a frame: the face's skin inside the guide, what is behind the person, how far it is too bright or dark, how fast it moves.
// Pure: pixels in, numbers out. The rules are those by which the server looks at pictures, in the place that the guide gives instead of a finder's.

const GUIDE_HEIGHT = 0.62;
const GUIDE_WIDTH = 0.72;
const GUIDE_WIDEST = 0.6;
/** Of the guide's oval, the part that is looked at: hair and chin at its rim are not skin. */
const INSIDE = 0.92;
/** How far out, in half axes, what lies behind the person begins. */
const BEHIND = 1.7;
const BEHIND_STEP = 4;
const LEAST_BEHIND = 40;
/** Nose and cheeks, in half axes: their median says what skin looks like in this light. */
const MIDDLE = 0.45;
/** Skin is redder than grey in every tone; a wall, a table or an empty chair mostly is not. */
const LEAST_CR = 131;
const MOST_CB = 129;
const LEAST_LUMA = 12;
const TINT = 14;
const DARKEST = 0.5;
/** Share of the oval that must look like skin for a face to be there. */
const LEAST_SKIN = 0.4;
const BLACK = 10;
const WHITE = 255;
/** Movement is seen against the frame so long ago: a shorter time drowns in the camera's noise. */
const MOTION_MS = 160;
const BLOCK = 8;

/**
 * Where the face belongs, in pixels of the frame.
 * @param {number} width
 * @param {number} height
 * @returns {{cx: number, cy: number, rx: number, ry: number}}
 */
export function guide(width, height) {
  const ry = (GUIDE_HEIGHT * height) / 2;
  const rx = Math.min(ry * GUIDE_WIDTH, (GUIDE_WIDEST * width) / 2);
  return { cx: width / 2, cy: height / 2, rx, ry: Math.min(ry, rx / GUIDE_WIDTH) };
}

const cr = (r, g, b) => 128 + 0.5 * r - 0.4187 * g - 0.0813 * b;
const cb = (r, g, b) => 128 - 0.1687 * r - 0.3313 * g + 0.5 * b;
const luma = (r, g, b) => 0.299 * r + 0.587 * g + 0.114 * b;

/** Measures the frames of one size, one after the other. */
export class Means {
  /** @param {number} width @param {number} height */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.oval = guide(width, height);
    this.inside = indices(this, 1, (d) => d <= INSIDE * INSIDE);
    this.middle = indices(this, 2, (d) => d <= MIDDLE * MIDDLE);
    const all = indices(this, BEHIND_STEP, (d, y) => d > BEHIND * BEHIND && y < this.oval.cy);
    this.behind = all.length >= LEAST_BEHIND ? all : null;
    this.tint = null;
    this.earlier = [];
  }

  /**
   * @param {Uint8ClampedArray} pixels red, green, blue, alpha
   * @param {number} atMs when the frame was taken
   * @returns {{rgb: number[] | null, background: number[] | null, saturated: number | null, motion: number | null}}
   */
  measure(pixels, atMs) {
    const background = this.behind && mean(pixels, this.behind);
    const skin = this.skin(pixels);
    if (!skin) this.earlier = [];
    return { rgb: skin?.rgb ?? null, background, saturated: skin?.saturated ?? null, motion: skin ? this.motion(pixels, atMs) : null };
  }

  skin(pixels) {
    let found = this.tint && this.within(pixels, this.tint);
    if (!found) {
      this.tint = plausible(pixels, this.middle);
      found = this.tint && this.within(pixels, this.tint);
    }
    if (!found) this.tint = null;
    return found;
  }

  /** Means over what looks like the tint; null where too little of the oval does. */
  within(pixels, tint) {
    const darkest = tint.luma * DARKEST;
    let r = 0, g = 0, b = 0, count = 0, off = 0;
    for (const at of this.inside) {
      const red = pixels[at], green = pixels[at + 1], blue = pixels[at + 2];
      if (luma(red, green, blue) < darkest) continue;
      if (Math.abs(cr(red, green, blue) - tint.cr) > TINT || Math.abs(cb(red, green, blue) - tint.cb) > TINT) continue;
      r += red; g += green; b += blue; count++;
      if (green < BLACK || red >= WHITE || green >= WHITE || blue >= WHITE) off++;
    }
    return count < LEAST_SKIN * this.inside.length ? null : { rgb: [r / count, g / count, b / count], saturated: off / count };
  }

  /** How fast the face moves, in its own widths a second: the one shift that best explains the change since a moment ago (Lucas and Kanade, 1981). */
  motion(pixels, atMs) {
    const seen = blocks(pixels, this.width, this.oval);
    const before = this.earlier.findLast((one) => atMs - one.atMs >= MOTION_MS);
    this.earlier = [...this.earlier.filter((one) => one.atMs >= (before?.atMs ?? 0)), { atMs, seen }];
    if (!before) return null;
    const { columns, rows, light } = seen;
    let xx = 0, xy = 0, yy = 0, xt = 0, yt = 0;
    for (let y = 1; y < rows - 1; y++) for (let x = 1; x < columns - 1; x++) {
      const at = y * columns + x;
      const gx = (light[at + 1] - light[at - 1]) / 2, gy = (light[at + columns] - light[at - columns]) / 2;
      const change = light[at] - before.seen.light[at];
      xx += gx * gx; xy += gx * gy; yy += gy * gy; xt += gx * change; yt += gy * change;
    }
    const det = xx * yy - xy * xy;
    if (!(det > 0)) return null;
    const across = (xy * yt - yy * xt) / det, down = (xy * xt - xx * yt) / det;
    const speed = (Math.hypot(across, down) * BLOCK) / (2 * this.oval.rx) / ((atMs - before.atMs) / 1000);
    return Math.min(speed, 100);
  }
}

/** Byte offsets of the pixels, each `step`-th, whose squared distance from the oval's centre in half axes `holds`. */
function indices({ width, height, oval }, step, holds) {
  const found = [];
  for (let y = 0; y < height; y += step) for (let x = 0; x < width; x += step) {
    const dx = (x + 0.5 - oval.cx) / oval.rx, dy = (y + 0.5 - oval.cy) / oval.ry;
    if (holds(dx * dx + dy * dy, y)) found.push((y * width + x) * 4);
  }
  return Uint32Array.from(found);
}

function mean(pixels, places) {
  let r = 0, g = 0, b = 0;
  for (const at of places) { r += pixels[at]; g += pixels[at + 1]; b += pixels[at + 2]; }
  return [r / places.length, g / places.length, b / places.length];
}

/** What skin looks like here, if what is in the middle can be skin at all. */
function plausible(pixels, places) {
  const tones = [luma, cr, cb].map((tone) => median(Float32Array.from(places, (at) => tone(pixels[at], pixels[at + 1], pixels[at + 2]))));
  const [light, red, blue] = tones;
  return light >= LEAST_LUMA && red >= LEAST_CR && blue <= MOST_CB ? { luma: light, cr: red, cb: blue } : null;
}

const median = (values) => values.sort()[values.length >> 1];

/** Mean green of blocks over the oval's box. */
function blocks(pixels, width, { cx, cy, rx, ry }) {
  const left = Math.round(cx - rx), top = Math.round(cy - ry);
  const columns = Math.floor((2 * rx) / BLOCK), rows = Math.floor((2 * ry) / BLOCK);
  const light = new Float32Array(columns * rows);
  for (let y = 0; y < rows * BLOCK; y++) {
    let at = ((top + y) * width + left) * 4 + 1;
    const row = Math.floor(y / BLOCK) * columns;
    for (let x = 0; x < columns * BLOCK; x++, at += 4) light[row + (x >> 3)] += pixels[at];
  }
  for (let n = 0; n < light.length; n++) light[n] /= BLOCK * BLOCK;
  return { columns, rows, light };
}
