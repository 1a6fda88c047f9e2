// Why a lobby encodes where it does: its own decisions, the newest first.
import { Admissions } from "./admissions.js";
import * as api from "./api.js";
import { h, show } from "./dom.js";

const SHOWN = 10;

export class LobbyDecisions {
  #drawn = null; // the gpu status that they were asked for with

  constructor() {
    this.admissions = new Admissions();
    this.element = h(
      "section.panel",
      { "aria-label": "Why it encodes there", hidden: true },
      h("h3", {}, "Why it encodes there"),
      this.admissions.list,
    );
  }

  draw(lobby, gpu) {
    if (!gpu || gpu === this.#drawn) return;
    this.#drawn = gpu;
    this.#fetch(lobby);
  }

  async #fetch(lobby) {
    let page;
    try {
      page = await api.admissions({ lobby, limit: SHOWN });
    } catch {
      return; // the line is down, and the banner says so
    }
    const track = (holder) => (holder.startsWith(`${lobby}/`) ? holder.slice(lobby.length + 1) : holder);
    this.admissions.draw(page.items, track);
    show(this.element, page.items.length > 0);
  }
}
