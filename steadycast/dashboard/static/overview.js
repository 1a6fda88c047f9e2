// What is seen when no lobby is chosen: the host in a few figures, and what happened lately.
import { Activity } from "./activity.js";
import { Caution } from "./caution.js";
import { h, setAttr, setText } from "./dom.js";
import { isInstead } from "./encoders.js";
import { leakText, watchedText } from "./finding_words.js";
import { Findings } from "./findings.js";
import { Receipts } from "./receipts.js";

const SHOWN = 60;

export class Overview {
  #store;
  #figures = new Map();

  constructor(store) {
    this.#store = store;
    this.activity = new Activity("Recent events");
    this.receipts = new Receipts(store);
    const figures = h(
      "dl.figures",
      {},
      ["Streaming", "In trouble", "Viewers", "Renditions running"].map((label) => this.#figure(label)),
    );
    const columns = h(
      "div.columns",
      {},
      h("div.column", {}, this.activity.element),
      h("div.column", {}, this.receipts.element),
    );
    this.caution = new Caution(h("a", { href: "#/devices" }, "Devices"));
    this.leak = new Caution(null, "p.caution.leak");
    this.findings = new Findings();
    const title = h("h1", { tabindex: "-1" }, "Overview");
    const cautions = [this.leak.element, this.caution.element];
    this.element = h("div.page.overview", {}, title, ...cautions, figures, this.findings.element, columns);
  }

  #figure(label) {
    const value = h("dd", {}, "–");
    const box = h("div.figure", {}, h("dt", {}, label), value);
    this.#figures.set(label, { value, box });
    return box;
  }

  draw() {
    const { lobbies, events, receipts, loaded, gpu, findings, system } = this.#store;
    const all = [...lobbies.values()];
    const numbers = {
      Streaming: all.filter((lobby) => lobby.state === "STREAMING").length,
      "In trouble": all.filter((lobby) => lobby.state === "DEGRADED" || lobby.state === "CLEANUP_INCOMPLETE").length,
      Viewers: all.reduce((sum, lobby) => sum + lobby.viewers, 0),
      "Renditions running": all.reduce(
        (sum, lobby) => sum + lobby.renditions.filter((rendition) => rendition.running).length,
        0,
      ),
    };
    for (const [label, number] of Object.entries(numbers))
      setText(this.#figures.get(label).value, loaded ? String(number) : "–");
    setAttr(this.#figures.get("In trouble").box, "data-tone", loaded && numbers["In trouble"] ? "warn" : null);
    this.caution.set(softwareMode(gpu, all));
    const nameOf = (id) => lobbies.get(id)?.name ?? id;
    this.leak.set(leakText(findings));
    this.findings.draw(findings, system ? watchedText(system.watched) : "", nameOf);
    this.activity.draw(events, SHOWN, nameOf);
    this.receipts.draw(receipts, SHOWN);
  }
}

// The host in one sentence where its hardware is not enough; empty where it is.
function softwareMode(gpu, lobbies) {
  const waiting = gpu?.waiting.filter((place) => !place.promotion).length ?? 0;
  const many = waiting === 1 ? "One request waits for an encoder." : `${waiting} requests wait for an encoder.`;
  return [
    isInstead(gpu, lobbies) ? "Some pictures are encoded in software, though hardware is preferred." : null,
    waiting ? many : null,
  ]
    .filter(Boolean)
    .join(" ");
}
