// Replacing the worker of a lobby behind its viewers' backs, or trying one again that stays down.
import * as api from "./api.js";
import { add, clear, h, setAttr, show } from "./dom.js";
import { staysDown, took } from "./format.js";
import { icon } from "./icons.js";
import { receiptItem } from "./receipts.js";

export class RecycleControl {
  busy = false;
  unreached = false; // the last try did not reach the host

  // `changed()` when something was done.
  constructor(lobby, changed) {
    this.lobby = lobby;
    this.changed = changed;
    const title = "Starts another worker, moves all viewers to it at a keyframe, and ends this one";
    this.button = h("button.button", { type: "button", title, onclick: () => this.#recycle() }, icon("again"), "Recycle");
    this.again = h("button.button", { type: "button", onclick: () => this.#restart() }, icon("again"), "Try again now");
    this.place = h("div.stop-place", { role: "group", "aria-live": "polite" });
  }

  // `connected`: whether the host answers now; a word that it did not is out of date when it does again.
  draw(lobby, connected) {
    this.lobby = lobby;
    this.button.disabled = this.again.disabled = !connected;
    if (connected && this.unreached && !this.busy) this.#forget();
    const down = lobby.state === "DEGRADED";
    if (down && !this.busy && this.place.firstElementChild?.dataset.tone === "good") this.#forget(); // that was before
    setAttr(this.again, "class", staysDown(lobby) ? "button primary" : "button");
    show(this.button, lobby.state === "STREAMING" && !this.busy);
    show(this.again, down && !this.busy);
  }

  #recycle() {
    return this.#do("Replacing the worker…", async () => {
      const done = await api.recycleLobby(this.lobby.id);
      const how = done.made_before_break
        ? "The new one had taken over before the old one ended; nobody was disconnected."
        : `The old one had to end first${done.why ? `: ${done.why}` : ""}. Viewers saw a short pause.`;
      return [`Replaced in ${took(done.took_s)}.`, how, done.receipt];
    });
  }

  #restart() {
    return this.#do("Trying again…", async () => {
      const lobby = await api.restartLobby(this.lobby.id);
      return [lobby.state === "STREAMING" ? "It streams again." : "It is being started.", null, null];
    });
  }

  async #do(doing, work) {
    this.busy = true;
    this.unreached = false;
    show(this.button, false);
    show(this.again, false);
    this.#say(null, h("p.ending", {}, h("span.spinner", { "aria-hidden": "true" }), doing));
    try {
      const [title, text, receipt] = await work();
      this.#say("good", h("p.strong", {}, title), text && h("p.faint", {}, text), receipt && receiptItem(receipt));
    } catch (problem) {
      const words = [problem.why, problem.hint].filter(Boolean).map((text) => h("p.faint", {}, text));
      this.#say("bad", h("p.strong", {}, problem.message), ...words);
      this.unreached = problem.status === 0;
    } finally {
      this.busy = false;
      this.changed();
    }
  }

  #forget() {
    this.unreached = false;
    clear(this.place);
  }

  #say(tone, ...parts) {
    const close = h("button.quiet.icon-only", { type: "button", "aria-label": "Dismiss" }, icon("close"));
    close.addEventListener("click", () => this.#forget());
    const box = h("div.confirm.told", {}, h("div", {}, parts.filter(Boolean)), tone ? close : null);
    if (tone) box.dataset.tone = tone;
    add(clear(this.place), [box]);
  }
}
