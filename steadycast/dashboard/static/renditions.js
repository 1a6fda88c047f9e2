// The renditions of a lobby: what each is, whether it runs, what makes it, who watches.
import { Caution } from "./caution.js";
import { h, keyed, setAttr, setText, show } from "./dom.js";
import { droppedText, memoryText, placeText, seatText, softwareText } from "./encoders.js";
import { count, encoderText, renditionText, soon } from "./format.js";
import { moment, setMoment } from "./moment.js";

class RenditionRow {
  constructor() {
    this.dot = h("span.dot");
    this.name = h("span.strong.cut");
    this.about = h("span.faint");
    this.state = h("span.rendition-state");
    this.closes = moment();
    this.encoder = h("span.tag");
    this.where = h("span");
    this.since = moment(); // when it came there: a promotion is a new seat
    this.seat = h("span.faint.wrap", {}, this.where, " since ", this.since);
    this.caution = new Caution();
    this.element = h(
      "li.rendition",
      {},
      this.dot,
      h("span.person-text", {}, this.name, this.about, this.seat),
      h("span.rendition-side", {}, this.encoder, h("span.faint", {}, this.state, this.closes)),
      this.caution.element,
    );
  }

  update(rendition) {
    const encoder = encoderText(rendition);
    setAttr(this.dot, "data-tone", rendition.running ? "good" : "idle");
    setText(this.name, rendition.name);
    setAttr(this.name, "title", rendition.name);
    setText(this.about, renditionText(rendition) || "follows the source");
    setText(this.encoder, encoder ?? "");
    this.encoder.hidden = !encoder;
    setText(this.where, seatText(rendition.seat));
    setMoment(this.since, rendition.seat?.since ?? null);
    show(this.seat, Boolean(rendition.seat));
    const waits = rendition.seat ? "" : placeText(rendition.place);
    this.caution.set([softwareText(rendition), memoryText(rendition.seat), waits, droppedText(rendition.raw)].filter(Boolean).join(" "));
    const closing = rendition.running && Number.isFinite(rendition.closes_at);
    const watched = rendition.viewers ? count(rendition.viewers, "viewer") : "no viewer";
    setText(this.state, !rendition.running ? "starts with its first viewer" : closing ? "ends " : watched);
    setMoment(this.closes, closing ? rendition.closes_at : null, soon);
  }
}

export class Renditions {
  #rows = new Map();

  constructor() {
    this.list = h("ul.renditions");
    this.sound = h("p.faint");
    this.element = h("section.panel", { "aria-label": "Renditions" }, h("h3", {}, "Renditions"), this.list, this.sound);
  }

  draw(lobby) {
    keyed(
      this.list,
      this.#rows,
      lobby.renditions,
      (rendition) => rendition.name,
      () => new RenditionRow(),
    );
    setText(this.sound, lobby.audio ? "With sound (Opus, shared by all renditions)." : "Without sound.");
  }
}
