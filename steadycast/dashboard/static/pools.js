// What is kept for the next who wants it, and how often that helped.
import { h, keyed, setText, show } from "./dom.js";
import { UNKNOWN } from "./format.js";

const REASONS = {
  aged: "too old", unused: "not wanted for long", worn: "used often enough", room: "made room for others",
  full: "enough were kept", pressure: "memory was short", unfit: "failed their check", lost: "died",
  closed: "the host ended",
};
const HEAD = ["Pool", "In use", "Ready", "Ready at most", "Had one at once", "Made", "Given up"];

export const reuseText = (pool) => (pool.reuse === null ? UNKNOWN : `${Math.round(100 * pool.reuse)} %`);

// `{aged: 2, lost: 1}` → "3: 2 too old, 1 died".
export function evictedText(evicted) {
  const parts = Object.entries(evicted).filter(([, count]) => count > 0);
  if (!parts.length) return "none";
  const total = parts.reduce((sum, [, count]) => sum + count, 0);
  return `${total}: ${parts.map(([why, count]) => `${count} ${REASONS[why] ?? why}`).join(", ")}`;
}

class PoolRow {
  constructor() {
    this.cells = HEAD.map((_, at) => h(at ? "td" : "th", at ? {} : { scope: "row" }));
    this.element = h("tr", {}, ...this.cells);
  }

  update(pool) {
    const texts = [
      pool.name, pool.waiting ? `${pool.lent}, ${pool.waiting} wait` : pool.lent, pool.idle, pool.keeps,
      reuseText(pool), pool.created, evictedText(pool.evicted),
    ];
    texts.forEach((text, at) => setText(this.cells[at], String(text)));
  }
}

export class Pools {
  #rows = new Map();

  constructor() {
    this.pressure = h("p.faint");
    this.body = h("tbody");
    this.table = h(
      "table.plain",
      {},
      h("thead", {}, h("tr", {}, ...HEAD.map((text) => h("th", { scope: "col" }, text)))),
      this.body,
    );
    this.element = h("section.panel", { "aria-label": "Pools" }, h("h3", {}, "Kept ready"), this.pressure, this.table);
  }

  draw(pools) {
    keyed(this.body, this.#rows, pools, (pool) => pool.name, () => new PoolRow());
    const pressure = ["high", "medium"].find((level) => pools.some((pool) => pool.pressure === level));
    setText(this.pressure, pressure ? `The host is short of memory (${pressure} pressure): less is kept.` : "");
    show(this.table, pools.length > 0);
  }
}
