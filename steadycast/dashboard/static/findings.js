// Findings: what leaks here. Those that are open stand unfolded, those that are over are folded away.
import { add, clear, h, keyed, setText, show } from "./dom.js";
import * as words from "./finding_words.js";
import { moment, setMoment, until } from "./moment.js";
import { LookChip } from "./status.js";

const OVER = 30; // that are shown of those that are over

function lines(items) {
  return h("ul.lines", {}, items.map(({ text, strong }) => h(strong ? "li.wrap" : "li.wrap.faint", {}, text)));
}

const plain = (texts) => lines(texts.map((text) => ({ text, strong: true })));

// A row of facts; null where there is nothing to say.
function fact(name, ...content) {
  const told = content.flat().filter((one) => one && (!one.matches?.("ul") || one.childElementCount));
  return told.length ? h("div.fact", {}, h("dt", {}, name), h("dd", {}, told)) : null;
}

function facts(finding) {
  const { exhaustion: end, since, opened, actions } = finding;
  return [
    fact("How fast", plain(words.speeds(finding))),
    fact("Since", h("span", {}, moment(since ?? opened), since ? null : " (when it was seen)")),
    end && words.isOpen(finding)
      ? fact("Until", h("span", {}, until(end.at)), h("span.faint", {}, words.endText(finding)))
      : null,
    fact("Likely", lines(words.sourceLines(finding))),
    fact("Evidence", lines(words.evidenceLines(finding).map((text) => ({ text })))),
    fact("Probe", lines(words.probeLines(finding))),
    finding.decide_by
      ? fact("Decided", h("span", {}, until(finding.decide_by), " at the latest", finding.hindered ? `; not yet: ${finding.hindered}` : null))
      : null,
    fact("In its log", plain(finding.signatures)),
    fact("Done", actions.map((action) => h("span.wrap", {}, moment(action.at), ` · ${words.actionText(action)}`))),
    fact("Over", finding.closed ? h("span", {}, moment(finding.closed), finding.why_closed ? ` · ${finding.why_closed}` : null) : null),
    fact("Id", h("span.mono", {}, finding.id)),
  ];
}

class FindingItem {
  #shown = null;

  constructor({ finding }) {
    this.chip = new LookChip();
    this.headline = h("span.strong.wrap");
    this.lobby = h("a.finding-lobby");
    this.when = moment();
    this.facts = h("dl.facts");
    const text = h("span.person-text", {}, this.headline);
    const summary = h("summary", {}, this.chip.element, text, this.when);
    this.element = h("details.finding", {}, summary, h("p.finding-whom", {}, this.lobby), this.facts);
    this.element.open = words.isOpen(finding);
  }

  // `name`: what its lobby is called here; null where it has none, or where the page is of that lobby.
  update({ finding, name }) {
    const key = JSON.stringify([finding, name]);
    if (key === this.#shown) return;
    this.#shown = key;
    const look = words.findingLook(finding.state, finding.why_closed);
    this.element.dataset.tone = look.tone;
    this.chip.set(look);
    setText(this.headline, finding.headline);
    setMoment(this.when, finding.closed ?? finding.opened);
    setText(this.lobby, name ? `Lobby ${name}` : "");
    this.lobby.href = `#/lobby/${encodeURIComponent(finding.owner.lobby ?? "")}`;
    show(this.lobby.parentElement, Boolean(name));
    add(clear(this.facts), facts(finding));
  }
}

function newest(a, b) {
  const rank = { confirmed: 0, suspect: 1 };
  return (rank[a.state] ?? 2) - (rank[b.state] ?? 2) || b.opened - a.opened;
}

export class Findings {
  #open = new Map();
  #over = new Map();

  constructor() {
    this.empty = h("p.faint");
    this.open = h("div.finding-list");
    this.over = h("div.finding-list");
    this.overCount = h("span");
    this.past = h("details.past", {}, h("summary", {}, this.overCount), this.over);
    this.element = h("section.panel", { "aria-label": "Findings" }, h("h3", {}, "Findings"), this.empty, this.open, this.past);
  }

  // `nameOf(lobby id)`: how a lobby is called here, or null to leave it out. `empty`: said where nothing is open.
  draw(findings, empty, nameOf = () => null) {
    const sorted = findings.toSorted(newest);
    const item = (finding) => ({ finding, name: finding.owner.lobby ? nameOf(finding.owner.lobby) : null });
    const open = sorted.filter(words.isOpen).map(item);
    const over = sorted.filter((finding) => !words.isOpen(finding)).map(item);
    for (const [list, rows, items] of [[this.open, this.#open, open], [this.over, this.#over, over.slice(0, OVER)]])
      keyed(list, rows, items, ({ finding }) => finding.id, (one) => new FindingItem(one));
    setText(this.empty, empty);
    show(this.empty, open.length === 0);
    show(this.past, over.length > 0);
    setText(this.overCount, `${over.length} that ${over.length === 1 ? "is" : "are"} over`);
  }
}
