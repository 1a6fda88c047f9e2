// An address with a button that copies it.
import { add, clear, h, setText } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 1600;

export class CopyField {
  constructor(label) {
    this.text = h("code.address-text");
    this.button = h(
      "button.quiet.icon-only",
      { type: "button", "aria-label": `Copy ${label}`, title: "Copy", onclick: () => this.#copy() },
      icon("copy"),
    );
    this.element = h("div.address", {}, h("span.address-label", {}, label), this.text, this.button);
  }

  set(address) {
    setText(this.text, address);
    if (this.text.title !== address) this.text.title = address;
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.text.textContent);
      this.#answer("check", "Copied");
    } catch {
      // No clipboard without https or localhost: select the text, so that one key copies it.
      getSelection().selectAllChildren(this.text);
      this.#answer("copy", "Selected: copy it with Ctrl+C");
    }
  }

  #answer(name, title) {
    add(clear(this.button), [icon(name)]);
    this.button.title = title;
    this.button.classList.add("done");
    setTimeout(() => {
      add(clear(this.button), [icon("copy")]);
      this.button.title = "Copy";
      this.button.classList.remove("done");
    }, SHOWN_MS);
  }
}
