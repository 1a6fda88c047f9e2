// Of a lobby that a program pushes into: who pushes, what became of the pictures, and how a program begins.
import * as api from "./api.js";
import { CopyField } from "./copy.js";
import { Caution } from "./caution.js";
import { h, setAttr, setText, show } from "./dom.js";
import { bytes, count } from "./format.js";
import { moment, setMoment } from "./moment.js";

const LOOK_MS = 2000;
const REASONS = {
  "push.slot": "a slot that was not the program's", "push.size": "another size", "push.stride": "another stride",
  "push.pts": "no time stamp", "push.backwards": "a time that goes back", "push.other": "other reasons",
};

// `{"push.size": 2}` → "2 refused (2 another size)".
export function refusedText(refused) {
  const parts = Object.entries(refused).filter(([, number]) => number > 0);
  const total = parts.reduce((sum, [, number]) => sum + number, 0);
  const why = parts.map(([code, number]) => `${number} ${REASONS[code] ?? code}`).join(", ");
  return total ? `${total} refused (${why})` : "none refused";
}

// The line that a Python program begins with.
export function beginning(lobby, origin) {
  const { width, height, fps, format } = lobby.source;
  const key = JSON.stringify(lobby.key ?? lobby.id);
  const shape = `size=(${width}, ${height}), fps=${fps}, format=${JSON.stringify(format)}`;
  return `out = steadycast.Push(${JSON.stringify(origin)}, key=${key}, ${shape})`;
}

export class Pushed {
  #lobby = null; // null: of another kind
  #timer = null;

  constructor() {
    this.dot = h("span.dot");
    this.says = h("span.strong");
    this.since = moment();
    this.pictures = h("p.faint");
    this.memory = h("p.faint");
    this.refusal = new Caution();
    this.line = new CopyField("Python");
    this.element = h(
      "section.panel",
      { "aria-label": "Program" },
      h("h3", {}, "Program"),
      h("p", {}, this.dot, " ", this.says, " ", this.since),
      this.pictures,
      this.memory,
      this.refusal.element,
      this.line.element,
      h("p.faint", {}, "Then out.frame(picture) for each picture; docs/push.md has the rest."),
    );
  }

  draw(lobby) {
    const mine = lobby.source.kind === "push";
    show(this.element, mine);
    this.#lobby = mine ? lobby : null;
    if (!mine) return;
    this.#draw(lobby.push);
    this.line.set(beginning(lobby, location.origin));
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
  }

  // Pictures come without events: the panel looks by itself while it is to be seen.
  async #look() {
    const lobby = this.#lobby;
    this.#timer = null;
    if (lobby === null || !this.element.isConnected) return;
    try {
      if (!document.hidden) this.#draw((await api.lobby(lobby.id)).push);
    } catch (problem) {
      if (!(problem instanceof api.Problem)) throw problem; // the page says elsewhere that the host is away
    }
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
  }

  #draw(push) {
    setAttr(this.dot, "data-tone", push?.producer ? "good" : "idle");
    setText(this.says, push?.says ?? "not ready for a program yet");
    setMoment(this.since, push?.since ?? null);
    setText(this.pictures, push ? picturesText(push) : "");
    setText(this.memory, push ? memoryText(push) : "");
    this.refusal.set(push?.last_refusal ?? "");
  }
}

function picturesText(push) {
  const shown = count(push.shown, "picture");
  const copied = push.copied ? ` (${push.copied.toLocaleString()} copied)` : "";
  return `${shown} shown${copied}, ${push.dropped.toLocaleString()} dropped, ${refusedText(push.refused)}`;
}

function memoryText(push) {
  return `${push.lent} of ${count(push.buffers, "buffer")} in use, ${push.kept} kept, at most ${bytes(push.bytes)}`;
}
