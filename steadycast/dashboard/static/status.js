// A lobby's state as a chip: icon, word, colour.
import { add, clear, h, setAttr, setText } from "./dom.js";
import { stateLook } from "./format.js";
import { icon } from "./icons.js";

export class StateChip {
  constructor() {
    this.mark = h("span.chip-mark");
    this.word = h("span.chip-word");
    this.element = h("span.chip", {}, this.mark, this.word);
  }

  set(state) {
    const look = stateLook(state);
    setAttr(this.element, "data-tone", look.tone);
    setText(this.word, look.word);
    if (this.mark.dataset.icon === look.icon) return;
    this.mark.dataset.icon = look.icon;
    add(clear(this.mark), [icon(look.icon)]);
  }
}
