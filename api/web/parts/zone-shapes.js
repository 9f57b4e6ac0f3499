// Shapes on the map as controls: one stop of the Tab key, arrows to the next in that direction, Enter opens.

/** Direction of each arrow key on the screen. */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Shapes {
  /** @param {any} map @param {(key: string) => void} open */
  constructor(map, open) {
    this.map = map;
    this.open = open;
    /** key -> {element, centre} */
    this.known = new Map();
    this.current = null;
  }

  /** Make a drawn layer a control. */
  add(key, layer) {
    const element = layer.getElement();
    element.setAttribute("role", "button");
    element.dataset.shape = key;
    element.addEventListener("click", () => this.#choose(key));
    element.addEventListener("focus", () => this.#rove(key));
    element.addEventListener("keydown", (event) => this.#key(event, key));
    this.known.set(key, { element, centre: layer.getBounds().getCenter() });
    if (this.current === null || !this.known.has(this.current)) this.current = key;
    element.setAttribute("tabindex", key === this.current ? "0" : "-1");
  }

  /** Say what a shape stands for. */
  label(key, { level, old, words }) {
    const { element } = this.known.get(key);
    element.dataset.level = level;
    element.toggleAttribute("data-old", old);
    element.setAttribute("aria-label", words);
  }

  mark(isChosen) {
    for (const [key, { element }] of this.known) element.setAttribute("aria-pressed", String(isChosen(key)));
  }

  remove(key) {
    this.known.delete(key);
    if (key !== this.current) return;
    this.current = null;
    const [next] = this.known.keys();
    if (next !== undefined) this.#rove(next);
  }

  #choose(key) {
    this.#rove(key);
    this.open(key);
  }

  #rove(key) {
    this.known.get(this.current)?.element.setAttribute("tabindex", "-1");
    this.current = key;
    this.known.get(key)?.element.setAttribute("tabindex", "0");
  }

  #key(event, key) {
    if (event.key === "Enter" || event.key === " ") {
      this.#choose(key);
    } else if (event.key in ARROWS) {
      const next = this.#next(key, ARROWS[event.key]);
      if (next) {
        this.map.panInside(this.known.get(next).centre, { padding: [60, 60], animate: false });
        this.known.get(next).element.focus({ preventScroll: true });
      }
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** The nearest shape whose middle lies within 60 degrees of a direction. */
  #next(key, [right, down]) {
    const from = this.map.latLngToLayerPoint(this.known.get(key).centre);
    let best = null;
    let least = Infinity;
    for (const [other, { centre }] of this.known) {
      if (other === key) continue;
      const to = this.map.latLngToLayerPoint(centre).subtract(from);
      const ahead = to.x * right + to.y * down;
      const aside = Math.abs(to.x * down) + Math.abs(to.y * right);
      if (ahead <= 0 || aside > ahead * 1.74) continue;
      const cost = ahead + 2 * aside;
      if (cost < least) { least = cost; best = other; }
    }
    return best;
  }
}
