// A list of the API in parts: the first, and forward and back from there. What it shows is asked for again by `refresh`.
import { h, setText, show } from "./dom.js";

export class Pager {
  #before = []; // `after` of the parts before this one
  #after = null;
  #next = null;
  #asked = 0;

  // `ask(after)` gives {items, next}; `shown(items)` draws them.
  constructor(ask, shown) {
    this.ask = ask;
    this.shown = shown;
    this.newer = h("button.button", { type: "button", onclick: () => this.#back() }, "Back");
    this.older = h("button.button", { type: "button", onclick: () => this.#forward() }, "More");
    this.place = h("span.faint", { role: "status" });
    this.element = h("div.pager", { role: "group", "aria-label": "Parts of this list" }, this.newer, this.place, this.older);
    this.#draw();
  }

  // A part that is not the first stays as it is read: it moves only when somebody goes on.
  async refresh() {
    if (!this.#before.length) await this.#fetch();
  }

  // Begins again at the first part.
  async restart() {
    this.#before = [];
    this.#after = null;
    await this.#fetch();
  }

  async #fetch() {
    this.#asked += 1;
    const asked = this.#asked;
    let page;
    try {
      page = await this.ask(this.#after);
    } catch {
      return; // the line is down, and the banner says so; its return asks again
    }
    if (asked !== this.#asked) return; // somebody went on meanwhile
    this.#next = page.next;
    this.shown(page.items);
    this.#draw();
  }

  #forward() {
    this.#before.push(this.#after);
    this.#after = this.#next;
    this.#fetch();
  }

  #back() {
    this.#after = this.#before.pop();
    this.#fetch();
  }

  #draw() {
    show(this.element, this.#before.length > 0 || this.#next !== null);
    this.newer.disabled = this.#before.length === 0;
    this.older.disabled = this.#next === null;
    setText(this.place, `Part ${this.#before.length + 1}`);
  }
}
