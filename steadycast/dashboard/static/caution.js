// A warning that something works, but not as wished.
import { h, setText, show } from "./dom.js";
import { icon } from "./icons.js";

export class Caution {
  // `more`: an element after the words, a link for instance.
  // `spec`: a class beside its own.
  constructor(more = null, spec = "p.caution") {
    this.text = h("span");
    this.element = h(spec, { role: "status", hidden: true }, icon("degraded"), h("span", {}, this.text, " ", more));
  }

  // An empty text hides it.
  set(text) {
    setText(this.text, text);
    show(this.element, text !== "");
  }
}
