// The viewers of a lobby, each with an end.
import * as api from "./api.js";
import { h, keyed, setAttr, setText, show } from "./dom.js";
import { bitrate, count } from "./format.js";
import { icon } from "./icons.js";
import { moment, setMoment } from "./moment.js";
import { toast } from "./toast.js";

class ViewerRow {
  constructor(viewer) {
    this.viewer = viewer;
    this.protocol = h("span.tag");
    this.remote = h("span.mono.cut");
    this.about = h("span.faint");
    this.since = moment();
    this.end = h(
      "button.quiet.icon-only",
      { type: "button", title: "End this viewer", onclick: () => this.#kick() },
      icon("close"),
    );
    this.element = h(
      "li.person",
      {},
      this.protocol,
      h("span.person-text", {}, this.remote, this.about),
      this.since,
      this.end,
    );
  }

  update({ viewer, own }) {
    this.viewer = viewer;
    const remote = viewer.remote ?? "address unknown";
    setText(this.protocol, viewer.protocol.toUpperCase());
    setText(this.remote, remote);
    setAttr(this.remote, "title", `${remote}\n${viewer.id}`);
    const sent = Number.isFinite(viewer.statistics?.bitrate) ? bitrate(viewer.statistics.bitrate) : null;
    const state = viewer.state === "watching" ? null : viewer.state;
    setText(
      this.about,
      [own ? "this page" : null, viewer.rendition, viewer.transport, state, sent].filter(Boolean).join(" · "),
    );
    setAttr(this.end, "aria-label", `End viewer ${remote} over ${viewer.protocol.toUpperCase()}`);
    setMoment(this.since, viewer.since);
  }

  async #kick() {
    this.end.disabled = true;
    try {
      await api.kick(this.viewer.id);
    } catch (problem) {
      if (problem.status !== 404) toast(problem.message, problem.why, "bad"); // 404: it left by itself
    } finally {
      this.end.disabled = false;
    }
  }
}

const SHOWN = 200; // rows; more viewers are counted, not listed

export class Viewers {
  #rows = new Map();

  constructor() {
    this.total = h("span.panel-count");
    this.list = h("ul.people");
    this.more = h("p.faint");
    this.empty = h("p.faint", {}, "Nobody is watching.");
    this.element = h(
      "section.panel",
      { "aria-label": "Viewers" },
      h("h3", {}, "Viewers", this.total),
      this.empty,
      this.list,
      this.more,
    );
  }

  draw(viewers, ownId) {
    const sorted = [...viewers].sort((a, b) => a.since - b.since || (a.id < b.id ? -1 : 1));
    const items = sorted.slice(0, SHOWN).map((viewer) => ({ viewer, own: viewer.id === ownId }));
    keyed(
      this.list,
      this.#rows,
      items,
      (item) => item.viewer.id,
      (item) => new ViewerRow(item.viewer),
    );
    setText(this.total, sorted.length ? String(sorted.length) : "");
    setText(this.more, sorted.length > SHOWN ? `and ${count(sorted.length - SHOWN, "more viewer")}` : "");
    show(this.empty, sorted.length === 0);
  }
}
