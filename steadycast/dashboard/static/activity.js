// What happened lately, newest first. Steps on the way (a rendition that opens, a worker that starts) are there on demand.
import { h, keyed, setText, show } from "./dom.js";
import { took } from "./format.js";
import { eventMark, eventNote, eventText, eventTone, isStep } from "./happenings.js";
import { icon } from "./icons.js";
import { moment } from "./moment.js";

class EventRow {
  constructor({ event }) {
    this.name = h("span.faint");
    const text = h("span.person-text", {}, h("span", {}, h("span.strong", {}, eventText(event)), this.name));
    const before = event.data?.took_s;
    if (isStep(event) && before > 0) text.append(h("span.faint", {}, `after ${took(before)}`));
    const note = eventNote(event);
    if (note) text.append(h("span.faint.wrap", {}, note));
    this.element = h("li.happening", { "data-tone": eventTone(event) }, icon(eventMark(event)), text, moment(event.at));
  }

  // An event never changes; what its lobby is called may be known later.
  update({ name }) {
    setText(this.name, name ? ` · ${name}` : "");
  }
}

export class Activity {
  #rows = new Map();

  constructor(title = "Events") {
    this.list = h("ol.happenings");
    this.empty = h("p.faint", {}, "Nothing yet.");
    this.steps = h("input", { type: "checkbox" });
    const head = h("div.happenings-head", {}, h("h3", {}, title), h("label.faint", {}, this.steps, " Every step"));
    this.element = h("section.panel", { "aria-label": title }, head, this.empty, this.list);
    this.steps.addEventListener("change", () => this.#again());
  }

  #again = () => {};

  // `nameOf(lobby id)`: how a lobby is called here, or null to leave it out.
  draw(events, most, nameOf = () => null) {
    this.#again = () => this.draw(events, most, nameOf);
    const shown = this.steps.checked ? events : events.filter((event) => !isStep(event));
    const items = shown.slice(0, most).map((event) => ({ event, name: event.lobby ? nameOf(event.lobby) : null }));
    keyed(
      this.list,
      this.#rows,
      items,
      (item) => `${item.event.id}/${item.event.at}`,
      (item) => new EventRow(item),
    );
    show(this.empty, items.length === 0);
  }
}
