// The list of lobbies: one row each, trouble first, updated in place.
import { h, keyed, setAttr, setText, show } from "./dom.js";
import { lobbyEncoders } from "./encoders.js";
import { count, kindWord, sourceSubject, sourceSummary } from "./format.js";
import { icon } from "./icons.js";
import { moment, setMoment } from "./moment.js";
import { StateChip } from "./status.js";
import { inOrder } from "./store.js";

const FILTER_FROM = 8; // lobbies; fewer are seen at a glance

class LobbyRow {
  constructor(lobby) {
    this.chip = new StateChip();
    this.name = h("span.row-name");
    this.viewers = h("span.row-viewers");
    this.number = h("span");
    this.viewers.append(icon("viewer"), this.number);
    this.source = h("span.row-source");
    this.why = h("span.row-why");
    this.encoderText = h("span");
    this.encoder = h("span.row-encoder", {}, icon("worker"), this.encoderText);
    this.since = moment();
    this.link = h(
      "a.row",
      { href: `#/lobby/${encodeURIComponent(lobby.id)}` },
      h("span.row-kind", {}, icon(lobby.source.kind)),
      h("span.row-head", {}, this.name, this.viewers),
      this.source,
      h("span.row-state", {}, this.chip.element, this.since),
      this.encoder,
      this.why,
    );
    this.element = h("li", {}, this.link);
  }

  update({ lobby, selected }) {
    setText(this.name, lobby.name);
    setAttr(this.link, "title", `${lobby.name}\n${sourceSummary(lobby.source)}`);
    setAttr(this.link, "aria-current", selected ? "page" : null);
    this.chip.set(lobby.state);
    setText(this.source, [kindWord(lobby.source.kind), sourceSubject(lobby.source)].filter(Boolean).join(" · "));
    setText(this.number, String(lobby.viewers));
    setAttr(this.viewers, "title", count(lobby.viewers, "viewer"));
    this.viewers.classList.toggle("none", lobby.viewers === 0);
    setMoment(this.since, lobby.since);
    setText(this.why, lobby.state === "STREAMING" ? "" : lobby.why);
    show(this.why, this.why.textContent !== "");
    const { text, tone } = lobbyEncoders(lobby);
    setText(this.encoderText, text);
    setAttr(this.encoder, "data-tone", tone);
    show(this.encoder, text !== "");
  }
}

export class LobbyList {
  #rows = new Map();
  #store;

  constructor(root, store) {
    this.#store = store;
    this.root = root;
    this.filter = h("input.filter", {
      type: "search",
      placeholder: "Filter lobbies",
      "aria-label": "Filter lobbies",
      autocomplete: "off",
      oninput: () => this.draw(),
    });
    this.search = h("div.search", {}, icon("search"), this.filter);
    this.rows = h("ul.rows");
    this.emptyTitle = h("p.empty-title");
    this.emptyText = h("p");
    this.emptyLink = h("a.button", { href: "#/new" }, icon("plus"), "New lobby");
    this.empty = h("div.empty", {}, this.emptyTitle, this.emptyText, this.emptyLink);
    this.summary = h("p.list-summary");
    root.append(h("div.list-head", {}, h("h2", {}, "Lobbies"), this.summary), this.search, this.empty, this.rows);
  }

  select(id) {
    this.selected = id;
    this.draw();
  }

  draw() {
    const { lobbies, loaded } = this.#store;
    const words = this.filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const all = inOrder(lobbies.values());
    const wanted = all.filter((lobby) => matches(lobby, words));
    show(this.search, all.length >= FILTER_FROM || words.length > 0);
    const items = wanted.map((lobby) => ({ lobby, selected: lobby.id === this.selected }));
    keyed(
      this.rows,
      this.#rows,
      items,
      (item) => item.lobby.id,
      (item) => new LobbyRow(item.lobby),
    );
    const trouble = all.filter((lobby) => lobby.state === "DEGRADED" || lobby.state === "CLEANUP_INCOMPLETE").length;
    setText(
      this.summary,
      loaded ? [`${all.length}`, trouble ? `${trouble} in trouble` : null].filter(Boolean).join(" · ") : "",
    );
    show(this.empty, wanted.length === 0);
    show(this.emptyLink, loaded && all.length === 0);
    if (!loaded) this.#say("Loading…", "");
    else if (all.length === 0)
      this.#say(
        "No lobbies yet",
        "A lobby is one live picture and sound: a desktop, a camera, a file or a test picture.",
      );
    else this.#say("Nothing matches", "No lobby has these words in its name, source or state.");
  }

  #say(title, text) {
    setText(this.emptyTitle, title);
    setText(this.emptyText, text);
  }
}

function matches(lobby, words) {
  if (!words.length) return true;
  const text =
    `${lobby.name} ${lobby.key ?? ""} ${lobby.state} ${sourceSummary(lobby.source)} ${lobby.why ?? ""}`.toLowerCase();
  return words.every((word) => text.includes(word) || lobby.id.toLowerCase().startsWith(word));
}
