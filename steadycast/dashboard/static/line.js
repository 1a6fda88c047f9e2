// Who waits for an encoder, who in software waits for hardware, and what is lent.
import { h, keyed, setAttr, setText, show } from "./dom.js";
import { amountText, denialText } from "./encoders.js";
import { moment, setMoment } from "./moment.js";

const SHOWN = 100; // places; the rest is counted

class PlaceRow {
  constructor() {
    this.position = h("span.place-number");
    this.name = h("a.strong.cut");
    this.why = h("span.faint.wrap");
    this.kind = h("span.tag");
    this.since = moment();
    this.element = h(
      "li.person.place",
      {},
      this.position,
      h("span.person-text", {}, this.name, this.why),
      h("span.rendition-side", {}, this.kind, h("span.faint", {}, "since ", this.since)),
    );
  }

  update({ place, name }) {
    setText(this.position, String(place.position));
    setAttr(this.position, "aria-label", `Place ${place.position}`);
    setText(this.name, name);
    setAttr(this.name, "href", `#/lobby/${encodeURIComponent(place.lobby)}`);
    setText(this.why, place.why || denialText(place.code));
    setText(this.kind, place.promotion ? "plays in software meanwhile" : "waits for a picture");
    this.kind.classList.toggle("warn", !place.promotion);
    setMoment(this.since, place.since);
  }
}

export class Line {
  #rows = new Map();

  constructor() {
    this.total = h("span.panel-count");
    this.list = h("ol.people");
    this.more = h("p.faint");
    this.empty = h("p.faint", {}, "Nobody waits for an encoder.");
    this.element = h(
      "section.panel",
      { "aria-label": "The line" },
      h("h3", {}, "The line", this.total),
      this.empty,
      this.list,
      this.more,
    );
  }

  // `nameOf(holder, lobby)`: how a holder is called here.
  draw(places, nameOf) {
    const shown = places.slice(0, SHOWN).map((place) => ({ place, name: nameOf(place.holder, place.lobby) }));
    keyed(
      this.list,
      this.#rows,
      shown,
      (item) => item.place.holder,
      () => new PlaceRow(),
    );
    setText(this.total, places.length ? String(places.length) : "");
    setText(this.more, places.length > SHOWN ? `and ${places.length - SHOWN} more` : "");
    show(this.empty, places.length === 0);
  }
}

class LeaseRow {
  constructor({ lease }) {
    this.quota = h("td.mono.wrap", {}, lease.quota);
    this.amount = h("td.num");
    this.holder = h("td.wrap");
    this.since = moment(lease.since);
    this.element = h("tr", {}, this.holder, this.quota, this.amount, h("td", {}, this.since));
  }

  update({ lease, name }) {
    setText(this.holder, name);
    setAttr(this.holder, "title", lease.holder);
    setText(this.amount, amountText(lease.quota, lease.amount));
    setMoment(this.since, lease.since);
  }
}

export class LeaseTable {
  #rows = new Map();

  constructor() {
    const head = ["Who", "Quota", "How much", "Since"].map((text) => h("th", { scope: "col" }, text));
    this.body = h("tbody");
    this.element = h("table.leases", {}, h("thead", {}, h("tr", {}, ...head)), this.body);
  }

  draw(leases, nameOf) {
    const items = leases.map((lease) => ({ lease, name: nameOf(lease.holder, lease.lobby) }));
    keyed(
      this.body,
      this.#rows,
      items,
      (item) => `${item.lease.holder} ${item.lease.quota} ${item.lease.device}`,
      (item) => new LeaseRow(item),
    );
    show(this.element, items.length > 0);
  }
}
