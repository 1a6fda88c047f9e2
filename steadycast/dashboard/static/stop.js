// Stopping a lobby: asked once in the page, then ENDING, then the receipt.
import * as api from "./api.js";
import { add, clear, h, setText } from "./dom.js";
import { count } from "./format.js";
import { icon } from "./icons.js";
import { stopReport } from "./receipts.js";

export class StopControl {
  answer = null; // what the host said after all was gone
  busy = false;

  // `changed()` when the answer is there.
  constructor(lobby, changed) {
    this.lobby = lobby;
    this.changed = changed;
    this.button = h("button.button.danger", { type: "button", onclick: () => this.#ask() }, icon("stop"), "Stop lobby");
    this.place = h("div.stop-place", { role: "group", "aria-live": "polite" });
  }

  get report() {
    return this.answer ? stopReport(this.answer) : null;
  }

  #ask() {
    const viewers = this.lobby.viewers;
    const text = viewers ? `${count(viewers, "viewer")} will lose the picture.` : "Nobody is watching.";
    const yes = h("button.button.danger.solid", { type: "button", onclick: () => this.#stop() }, "Stop it");
    const no = h("button.button", { type: "button", onclick: () => this.#forget() }, "Keep it");
    const box = h(
      "div.confirm",
      { onkeydown: (event) => event.key === "Escape" && this.#forget() },
      h("p", {}, h("span.strong", {}, `Stop “${this.lobby.name}”? `), `${text} The lobby is removed.`),
      h("div.form-actions", {}, yes, no),
    );
    add(clear(this.place), [box]);
    this.button.hidden = true;
    yes.focus();
  }

  #forget() {
    clear(this.place);
    this.button.hidden = false;
    this.button.focus();
  }

  async #stop() {
    this.busy = true;
    const text = h("p.strong", {}, "Ending…");
    const box = h(
      "div.confirm",
      {},
      h("p.ending", {}, h("span.spinner", { "aria-hidden": "true" }), text),
      h("p.faint", {}, "Viewers are detached, workers end, and what they held is looked at from outside."),
    );
    add(clear(this.place), [box]);
    try {
      this.answer = await api.stopLobby(this.lobby.id);
      clear(this.place);
    } catch (problem) {
      if (problem.status === 404) return this.changed(); // somebody else stopped it: the list says so
      setText(text, problem.message);
      add(
        box,
        [problem.why, problem.hint].filter(Boolean).map((words) => h("p", {}, words)),
      );
      box.firstElementChild.querySelector(".spinner").remove();
      box.dataset.tone = "bad";
      this.button.hidden = false;
    } finally {
      this.busy = false;
    }
    return this.changed();
  }
}
