// A state as a chip: icon, word, colour.
import { add, clear, h, setAttr, setText } from "./dom.js";
import { stateLook } from "./format.js";
import { icon } from "./icons.js";

export class LookChip {
  constructor() {
    this.mark = h("span.chip-mark");
    this.word = h("span.chip-word");
    this.element = h("span.chip", {}, this.mark, this.word);
  }

  // `look`: {word, tone, icon}
  set(look) {
    setAttr(this.element, "data-tone", look.tone);
    setText(this.word, look.word);
    if (this.mark.dataset.icon === look.icon) return;
    this.mark.dataset.icon = look.icon;
    add(clear(this.mark), [icon(look.icon)]);
  }
}

// The state of a lobby.
export class StateChip extends LookChip {
  set(state) {
    super.set(stateLook(state));
  }
}
