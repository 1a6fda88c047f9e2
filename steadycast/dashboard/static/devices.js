// What encodes on this host, who waits for it, what is lent, and why things were decided so.
import { Admissions } from "./admissions.js";
import * as api from "./api.js";
import { Caution } from "./caution.js";
import { DeviceCard } from "./device_card.js";
import { h, keyed, setText, show } from "./dom.js";
import { isInstead, resultLook, vendorTroubles } from "./encoders.js";
import { icon } from "./icons.js";
import { LeaseTable, Line } from "./line.js";
import { Pager } from "./pager.js";
import { Pools } from "./pools.js";

const LEASES = 20; // of one part
const DECISIONS = 20;

export class Devices {
  #store;
  #cards = new Map();
  #drawn = null; // the gpu status that the lists below were asked for with

  constructor(store) {
    this.#store = store;
    this.summary = h("p.detail-about");
    this.troubles = [0, 1, 2, 3].map(() => new Caution()); // of vendors that do not answer
    this.cards = h("ul.cards");
    this.empty = h("p.faint", {}, "Nothing is known yet.");
    this.line = new Line();
    this.pools = new Pools();
    this.element = h(
      "div.page",
      {},
      h("a.back", { href: "#/" }, icon("back"), "Lobbies"),
      h("header", {}, h("h1", { tabindex: "-1" }, "Devices"), this.summary),
      ...this.troubles.map((trouble) => trouble.element),
      this.empty,
      this.cards,
      this.line.element,
      this.pools.element,
      this.#decisions(),
      this.#leases(),
    );
  }

  #leases() {
    this.table = new LeaseTable();
    this.none = h("p.faint", {}, "Nothing is lent.");
    this.leases = new Pager(
      (after) => api.leases(LEASES, after),
      (items) => {
        this.table.draw(items, this.#nameOf);
        show(this.none, items.length === 0);
      },
    );
    return h(
      "section.panel",
      { "aria-label": "Leases" },
      h("h3", {}, "Leases"),
      this.none,
      this.table.element,
      this.leases.element,
    );
  }

  #decisions() {
    this.admissions = new Admissions();
    const choices = ["grant", "fallback", "queue", "deny", "promotion"].map((value) =>
      h("option", { value }, resultLook(value).word),
    );
    this.result = h(
      "select.result",
      { "aria-label": "Which decisions", onchange: () => this.decisions.restart() },
      h("option", { value: "" }, "All decisions"),
      ...choices,
    );
    this.decisions = new Pager(
      (after) => api.admissions({ limit: DECISIONS, after, result: this.result.value || null }),
      (items) => this.admissions.draw(items, this.#nameOf),
    );
    return h(
      "section.panel",
      { "aria-label": "Decisions" },
      h("h3.with-choice", {}, "Why it was decided so", this.result),
      this.admissions.empty,
      this.admissions.list,
      this.decisions.element,
    );
  }

  async #refreshPools() {
    try {
      this.pools.draw((await api.pools()).items);
    } catch {
      // what was shown stays; that the host is not reached is said at the top
    }
  }

  // `l0000001/main` → "Ticket desk, main".
  #nameOf = (holder, lobby) => {
    const track = String(holder).startsWith(`${lobby}/`) ? holder.slice(lobby.length + 1) : holder;
    const name = this.#store.lobbies.get(lobby)?.name;
    return name ? `${name}, ${track}` : holder;
  };

  draw() {
    const gpu = this.#store.gpu;
    show(this.empty, !gpu?.devices.length);
    if (!gpu) return;
    setText(this.empty, "Nothing here encodes.");
    setText(this.summary, summary(gpu, [...this.#store.lobbies.values()]));
    const troubles = vendorTroubles(gpu);
    this.troubles.forEach((trouble, at) => trouble.set(troubles[at] ?? ""));
    const devices = [...gpu.devices].sort((a, b) => b.hardware - a.hardware); // hardware first, else as the host has them
    const items = devices.map((device) => ({ device, all: gpu.devices, cpu: gpu.cpu }));
    keyed(
      this.cards,
      this.#cards,
      items,
      (item) => item.device.id,
      (item) => new DeviceCard(item),
    );
    this.line.draw(gpu.waiting, this.#nameOf);
    if (gpu === this.#drawn) return;
    this.#drawn = gpu;
    this.leases.refresh();
    this.#refreshPools();
    this.decisions.refresh();
  }
}

export function summary(gpu, lobbies) {
  const free = ({ state, breaker }) => state === "works" && !["open", "latched"].includes(breaker.state);
  const hardware = gpu.devices.filter((device) => device.hardware && free(device)).length;
  const words = [
    hardware ? `${hardware} hardware ${hardware === 1 ? "device works" : "devices work"}` : "No hardware encoder works here",
    gpu.nvenc_sessions_limit === null
      ? null
      : `${gpu.nvenc_sessions_used ?? "an unknown number"} of ${gpu.nvenc_sessions_limit} sessions in use`,
    isInstead(gpu, lobbies) ? "somebody is in software though hardware is preferred" : null,
    gpu.waiting.length ? `${gpu.waiting.length} in the line` : null,
  ];
  return `${words.filter(Boolean).join(" · ")}.`;
}
