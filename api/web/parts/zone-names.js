// Names over the zones of the map: the chosen and the worst first; one that has no room is left out, and the list has it.

const PANE = "zone-names";
const EDGE_PX = 2;
const GAP_PX = 7;
/** Corners that are taken: the buttons, and the scale. */
const BUTTONS_PX = { width: 60, height: 156 };
const SCALE_PX = { width: 140, height: 30 };

export class Names {
  /** @param {any} map */
  constructor(map) {
    this.map = map;
    this.pane = map.createPane(PANE);
    this.pane.classList.add("leaflet-zoom-hide");
    this.pane.setAttribute("aria-hidden", "true");
    /** key -> {element, name, width, height, bounds} */
    this.known = new Map();
    this.order = [];
    map.on("moveend resize", () => this.#place());
  }

  /**
   * @param {{key: string, name: string}[]} wanted the most wanted first
   * @param {(key: string) => any} boundsOf bounds of a zone
   */
  show(wanted, boundsOf) {
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, { element }] of this.known) if (!keys.has(key)) { element.remove(); this.known.delete(key); }
    const made = wanted.filter(({ key, name }) => this.known.get(key)?.name !== name);
    for (const { key, name } of made) {
      this.known.get(key)?.element.remove();
      this.known.set(key, { element: this.#element(name), name, width: 0, height: 0, bounds: null });
    }
    // All are measured in one go: a measure between two changes makes the browser lay out the page each time.
    for (const { key } of made) {
      const one = this.known.get(key);
      one.width = one.element.offsetWidth;
      one.height = one.element.offsetHeight;
    }
    for (const key of keys) this.known.get(key).bounds = boundsOf(key);
    this.order = [...keys];
    this.#place();
  }

  #element(name) {
    const words = document.createElement("span");
    words.textContent = name;
    const element = document.createElement("div");
    element.className = "zone-name";
    element.append(words);
    this.pane.append(element);
    return element;
  }

  #place() {
    const size = this.map.getSize();
    const seen = this.map.getBounds();
    const taken = [
      { left: size.x - BUTTONS_PX.width, top: 0, right: size.x, bottom: BUTTONS_PX.height },
      { left: size.x - SCALE_PX.width, top: size.y - SCALE_PX.height, right: size.x, bottom: size.y },
    ];
    const seats = new Map(this.order.map((key) => [key, this.#seat(this.known.get(key).bounds)]));
    for (const key of this.order) {
      const one = this.known.get(key);
      const free = (place) => !taken.some((other) => meet(place, other)) && ![...seats].some(([other, { x, y }]) => other !== key && meet(place, { left: x, top: y, right: x, bottom: y }));
      const box = seen.contains(one.bounds.getCenter()) ? places(seats.get(key), one, size).find(free) : undefined;
      one.element.hidden = box === undefined;
      if (box === undefined) continue;
      taken.push(box);
      const at = this.map.containerPointToLayerPoint([box.left, box.top]);
      one.element.style.transform = `translate(${Math.round(at.x)}px, ${Math.round(at.y)}px)`;
    }
  }

  /** Middle of a zone on the screen, and how far it reaches from there. */
  #seat(bounds) {
    const [one, other] = [bounds.getNorthWest(), bounds.getSouthEast()].map((corner) => this.map.latLngToContainerPoint(corner));
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, across: (other.x - one.x) / 2, down: (other.y - one.y) / 2 };
  }
}

/** Where a name may lie, always whole: on a zone that is larger, beside the buttons too if that is still on it; else under or over it, or at its sides. */
function places({ x, y, across, down }, { width, height }, size) {
  const under = down + height / 2 + GAP_PX;
  const beside = across + width / 2 + GAP_PX;
  const aside = size.x - BUTTONS_PX.width - width / 2 - EDGE_PX - x;
  const around = [[0, under], [0, -under], [beside, 0], [-beside, 0]];
  const onIt = Math.abs(aside) + width / 2 <= across ? [[0, 0], [aside, 0]] : [[0, 0]];
  const tried = 2 * across > width ? [...onIt, ...around] : around;
  return tried.map(([right, lower]) => {
    const left = Math.min(Math.max(x + right - width / 2, EDGE_PX), size.x - width - EDGE_PX);
    const top = Math.min(Math.max(y + lower - height / 2, EDGE_PX), size.y - height - EDGE_PX);
    return { left, top, right: left + width, bottom: top + height };
  });
}

const meet = (one, other) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
