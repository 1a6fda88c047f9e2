// A bar with its words: parts of a whole. The words say everything; the bar is for the eye.
import { add, clear, h, setAttr, setText, show } from "./dom.js";

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 100;

export class Gauge {
  #shown = null;

  constructor(label) {
    this.label = label;
    this.text = h("span.gauge-text");
    this.bar = document.createElementNS(NS, "svg");
    this.bar.setAttribute("class", "gauge-bar");
    this.bar.setAttribute("viewBox", `0 0 ${WIDTH} 8`);
    this.bar.setAttribute("preserveAspectRatio", "none");
    this.bar.setAttribute("role", "meter");
    this.bar.setAttribute("aria-label", label);
    this.element = h("div.gauge", {}, h("span.gauge-label", {}, label), this.text, this.bar);
  }

  // `parts`: [{name, value}], `whole` null: no bar, only words.
  set(parts, whole, text) {
    setText(this.text, text);
    const used = parts.reduce((sum, part) => sum + part.value, 0);
    const drawn = Number.isFinite(whole) && whole > 0;
    this.bar.toggleAttribute("hidden", !drawn);
    if (!drawn) return;
    setAttr(this.bar, "aria-valuemin", 0);
    setAttr(this.bar, "aria-valuemax", whole);
    setAttr(this.bar, "aria-valuenow", Math.min(used, whole));
    setAttr(this.bar, "aria-valuetext", text);
    setAttr(this.bar, "data-full", used >= whole);
    const key = JSON.stringify([parts, whole]);
    if (key === this.#shown) return;
    this.#shown = key;
    this.#draw(parts, Math.max(whole, used));
  }

  #draw(parts, whole) {
    let at = 0;
    const rects = parts.map(({ name, value }) => {
      const width = (value / whole) * WIDTH;
      const rect = document.createElementNS(NS, "rect");
      for (const [attribute, number] of Object.entries({ x: at, y: 0, width, height: 8 }))
        rect.setAttribute(attribute, number);
      rect.setAttribute("class", `gauge-${name}`);
      at += width;
      return rect;
    });
    add(clear(this.bar), rects);
  }

  show(visible) {
    show(this.element, visible);
  }
}
