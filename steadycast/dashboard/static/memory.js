// What a lobby's worker held at the named points of its life: a table, with a bar for each.
import * as api from "./api.js";
import { h, keyed, setText, show } from "./dom.js";
import { bytes, UNKNOWN } from "./format.js";
import { moment, setMoment } from "./moment.js";

const HEAD = ["Point", "Of", "When", "Memory (PSS)", "More", "Own", "Descriptors", "Objects"];

const known = (value, shown = String) => (value === null ? UNKNOWN : shown(value));
const signed = (value) => `${value < 0 ? "−" : "+"}${bytes(Math.abs(value))}`;

class Row {
  constructor({ one }) {
    this.at = moment(one.at);
    this.bar = h("span.memory-bar", { "aria-hidden": "true" });
    this.text = h("span");
    this.cells = [1, 2, 3, 4, 5].map(() => h("td.num"));
    this.name = h("th", { scope: "row" });
    this.about = h("td.wrap");
    this.element = h("tr", {}, this.name, this.about, h("td", {}, this.at), ...this.cells);
    this.cells[0].append(this.text, this.bar);
  }

  update({ one, most }) {
    setText(this.name, one.name);
    setText(this.about, one.about ?? "");
    setMoment(this.at, one.at);
    setText(this.text, one.pss === null ? (one.why ?? UNKNOWN) : bytes(one.pss));
    this.bar.style.width = one.pss === null || !most ? "0" : `${Math.round((100 * one.pss) / most)}%`;
    setText(this.cells[1], known(one.d_pss, signed));
    setText(this.cells[2], known(one.private_dirty, bytes));
    setText(this.cells[3], known(one.descriptors));
    setText(this.cells[4], known(one.objects));
  }
}

// How fast it grows, in words.
export function growthText(profile) {
  if (!profile) return "Of its life nothing is known yet.";
  const { growth, growth_low: low, growth_high: high, peak, why } = profile;
  const most = `At most ${known(peak, bytes)} so far. `;
  if (growth === null) return `${most}Growth is unknown yet: ${why.growth ?? "nothing was measured"}.`;
  const sure = low <= 0 && high >= 0 ? "which may be none" : "95 % sure";
  return `${most}It grows by ${signed(growth)} an hour (${signed(low)} to ${signed(high)}, ${sure}).`;
}

export class Memory {
  #rows = new Map();
  #lobby = null;

  constructor() {
    this.about = h("p.faint");
    this.body = h("tbody");
    this.table = h(
      "table.plain",
      {},
      h("thead", {}, h("tr", {}, ...HEAD.map((text) => h("th", { scope: "col" }, text)))),
      this.body,
    );
    this.fold = h(
      "details",
      { ontoggle: () => this.fold.open && this.refresh() },
      h("summary", {}, "Memory by checkpoint"),
      this.about,
      this.table,
    );
    this.element = h("section.panel", { "aria-label": "Memory by checkpoint" }, this.fold);
  }

  // The lobby that is shown; asked for when it is unfolded.
  set(lobby) {
    if (lobby === this.#lobby) return;
    this.#lobby = lobby;
    this.#draw({ checkpoints: [], profile: null });
    if (this.fold.open) this.refresh();
  }

  async refresh() {
    const lobby = this.#lobby;
    if (lobby === null) return;
    try {
      const memory = await api.lobbyMemory(lobby);
      if (lobby === this.#lobby) this.#draw(memory);
    } catch {
      setText(this.about, "The host does not answer just now.");
    }
  }

  #draw({ checkpoints, profile }) {
    const most = Math.max(0, ...checkpoints.map((one) => one.pss ?? 0));
    const items = checkpoints.map((one, at) => ({ one, most, key: `${one.at} ${one.name} ${at}` }));
    keyed(this.body, this.#rows, items, (item) => item.key, (item) => new Row(item));
    setText(this.about, checkpoints.length ? growthText(profile) : "Nothing was measured yet.");
    show(this.table, checkpoints.length > 0);
  }
}
