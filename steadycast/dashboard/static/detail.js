// Everything about one lobby: the player, why it is as it is, addresses, renditions, viewers, history.
import { Activity } from "./activity.js";
import { Curves } from "./curves.js";
import { LobbyDecisions } from "./decisions.js";
import { CopyField } from "./copy.js";
import { add, clear, h, setAttr, setText, show } from "./dom.js";
import { Findings } from "./findings.js";
import { count, soon, sourceSummary, staysDown } from "./format.js";
import { icon } from "./icons.js";
import { moment, setMoment } from "./moment.js";
import { Viewers } from "./people.js";
import { Memory } from "./memory.js";
import { Receipts } from "./receipts.js";
import { RecycleControl } from "./recycle.js";
import { Pushed } from "./pushed.js";
import { Renditions } from "./renditions.js";
import { StateChip } from "./status.js";
import { StopControl } from "./stop.js";

const SHOWN = 30; // events and receipts of one lobby

export class LobbyDetail {
  #store;
  #player;

  constructor(id, store, player) {
    this.id = id;
    this.#store = store;
    this.#player = player;
    this.#head();
    this.viewers = new Viewers();
    this.renditions = new Renditions();
    this.pushed = new Pushed();
    this.decisions = new LobbyDecisions();
    this.findings = new Findings();
    this.curves = new Curves();
    this.memory = new Memory();
    this.activity = new Activity();
    this.receipts = new Receipts(store);
    this.whep = new CopyField("WHEP");
    this.rtsp = new CopyField("RTSP");
    this.link = new CopyField("This page");
    const addresses = h(
      "section.panel",
      { "aria-label": "Addresses" },
      h("h3", {}, "Addresses"),
      this.whep.element,
      this.rtsp.element,
      this.link.element,
    );
    this.columns = h(
      "div.columns",
      {},
      h("div.column", {}, this.pushed.element, this.renditions.element, this.decisions.element, addresses),
      h("div.column", {}, this.viewers.element),
      h("div.column", {}, this.activity.element),
      h("div.column", {}, this.receipts.element),
    );
    this.report = h("div");
    this.stage = h("div", {}, player.screen.element);
    this.element = h(
      "div.page",
      {},
      h("a.back", { href: "#/" }, icon("back"), "Lobbies"),
      this.head,
      this.stopPlace,
      this.recyclePlace,
      this.trouble,
      this.report,
      this.stage,
      this.findings.element,
      this.curves.element,
      this.memory.element,
      this.columns,
    );
  }

  #head() {
    this.title = h("h1", { tabindex: "-1" });
    this.chip = new StateChip();
    this.since = moment();
    this.aboutText = h("span");
    this.created = moment();
    this.about = h("p.detail-about", {}, this.aboutText, this.created);
    this.actions = h("div.detail-actions");
    this.stopPlace = h("div");
    this.recyclePlace = h("div");
    this.why = h("p.trouble-why");
    this.hint = h("p.trouble-hint");
    this.retry = moment();
    this.retryText = h("p.faint", {}, "Next try ", this.retry);
    this.trouble = h(
      "section.trouble",
      { role: "status", "aria-label": "Why it is not streaming", hidden: true },
      icon("degraded"),
      h("div", {}, this.why, this.hint, this.retryText),
    );
    this.head = h(
      "header.detail-head",
      {},
      h("div.detail-title", {}, this.title, h("p.detail-state", {}, this.chip.element, this.since)),
      this.actions,
      this.about,
    );
  }

  // The lobby may be unknown (not loaded yet, or gone).
  draw() {
    const lobby = this.#store.byIdOrKey(this.id);
    if (lobby) this.#drawLobby(lobby);
    else this.#drawGone();
    const id = lobby?.id ?? this.last?.id ?? this.id;
    const findings = this.#store.findingsOf(id);
    show(this.findings.element, findings.length > 0);
    this.findings.draw(findings, "Nothing leaks now.");
    this.activity.draw(this.#store.eventsOf(id), SHOWN);
    this.receipts.draw(this.#store.receiptsOf(id), SHOWN);
  }

  #drawLobby(lobby) {
    const answered = this.stop?.answer && this.stop.lobby.id === lobby.id; // stopped: what still shows it is late
    if (!this.stop || (this.gone && !answered)) this.#arrive(lobby);
    show(this.columns, true);
    this.last = lobby;
    this.memory.set(lobby.id);
    this.stop.lobby = lobby;
    this.recycle.draw(lobby, this.#store.connected);
    this.stop.button.disabled = !this.#store.connected;
    setText(this.title, lobby.name);
    this.chip.set(lobby.state);
    setMoment(this.since, lobby.since);
    const replaced = [
      lobby.crashes ? `restarted ${count(lobby.crashes, "time")} after a fault` : null,
      lobby.recycles ? `recycled ${count(lobby.recycles, "time")}` : null,
    ];
    const about = [sourceSummary(lobby.source), lobby.key ? `key ${lobby.key}` : null, ...replaced, "made "];
    setText(this.aboutText, about.filter(Boolean).join(" · "));
    setMoment(this.created, lobby.created);
    this.#drawTrouble(lobby);
    this.renditions.draw(lobby);
    this.pushed.draw(lobby);
    this.decisions.draw(lobby.id, this.#store.gpu);
    this.curves.draw(lobby, this.#store.findingsOf(lobby.id), Boolean(this.#store.system?.watched));
    this.viewers.draw(this.#store.viewersOf(lobby.id), this.#player.viewer);
    this.#player.draw(lobby);
    this.whep.set(new URL(lobby.whep, location.origin).href);
    this.rtsp.set(rtspAddress(lobby.rtsp, this.#store.system));
    this.link.set(`${location.origin}${location.pathname}#/lobby/${encodeURIComponent(lobby.key ?? lobby.id)}`);
  }

  // The page may have been here before the lobby, or the lobby's key may have been given anew: all of it shows again.
  #arrive(lobby) {
    this.gone = false;
    this.stop = new StopControl(lobby, () => this.#stopped());
    this.recycle = new RecycleControl(lobby, () => this.#store.refresh());
    add(clear(this.actions), [this.recycle.button, this.recycle.again, this.stop.button]);
    add(clear(this.stopPlace), [this.stop.place]);
    add(clear(this.recyclePlace), [this.recycle.place]);
    clear(this.report);
    this.chip.element.hidden = false;
    for (const part of this.#alive()) show(part, true);
    this.#player.watch(lobby.id);
  }

  #drawTrouble(lobby) {
    const known = lobby.state !== "STREAMING" && Boolean(lobby.why || lobby.hint);
    show(this.trouble, known);
    if (!known) return;
    setAttr(this.trouble, "data-tone", lobby.state === "CLEANUP_INCOMPLETE" ? "bad" : "warn");
    setText(this.why, lobby.why);
    setText(this.hint, staysDown(lobby) ? `${lobby.hint} Or press “Try again now”.` : lobby.hint);
    show(this.hint, Boolean(lobby.hint));
    setMoment(this.retry, lobby.retry_at, soon);
    show(this.retryText, Number.isFinite(lobby.retry_at));
  }

  #drawGone() {
    if (!this.#store.loaded) {
      setText(this.title, "Loading…");
      show(this.stage, false);
      show(this.columns, false);
      return;
    }
    if (this.stop?.busy) return; // its receipt is on the way
    this.gone = true;
    this.#player.watch(null);
    if (!this.last) setText(this.title, "There is no such lobby");
    setText(this.aboutText, this.last ? "" : "It may have been stopped, or the address is wrong.");
    setMoment(this.created, null);
    this.chip.element.hidden = !this.last;
    if (this.last) this.chip.set(this.#lastState());
    show(this.trouble, false);
    for (const part of this.#alive()) show(part, false);
    clear(this.stopPlace);
    clear(this.recyclePlace);
    show(this.columns, Boolean(this.last) && !this.stop?.answer);
    this.#showReport();
  }

  // What only a lobby that is there has.
  #alive() {
    return [this.stage, this.curves.element, this.actions, this.renditions.element.parentElement, this.viewers.element.parentElement];
  }

  #lastState() {
    const left = this.#store.eventsOf(this.last.id).some((event) => event.name === "lobby.CLEANUP_INCOMPLETE");
    return left ? "CLEANUP_INCOMPLETE" : "DESTROYED";
  }

  #stopped() {
    if (this.stop.answer) this.#store.addReceipts(this.stop.answer.receipts);
    this.#store.refresh();
    this.draw();
  }

  #showReport() {
    if (!this.stop?.answer || this.report.firstElementChild) return;
    const next = h("a.button", { href: "#/" }, "Back to lobbies");
    add(this.report, [this.stop.report, h("p.report-next", {}, next)]);
    next.focus({ preventScroll: true });
  }
}

// The host tells its RTSP port in /system; where it does not, the port of the standard set-up is the best guess.
export function rtspAddress(path, system) {
  const port = system?.rtsp_port ?? 8554;
  return `rtsp://${location.hostname}:${port}${path}`;
}
