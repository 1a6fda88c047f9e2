// Decisions who may encode where, newest first; each unfolds to its trail: every option, and why not.
import { h, keyed, setText, show } from "./dom.js";
import { denialText, resultLook } from "./encoders.js";
import { codecName } from "./format.js";
import { icon } from "./icons.js";
import { moment } from "./moment.js";

function step({ option, code, why }) {
  const ok = code === "ok";
  return h(
    "li.step",
    { "data-tone": ok ? "good" : "warn" },
    icon(ok ? "check" : "close"),
    h(
      "span.person-text",
      {},
      h("span", {}, h("span.mono", {}, option), ok ? " taken" : ` not taken: ${denialText(code)}`),
      h("span.faint.wrap", {}, why),
    ),
  );
}

class AdmissionRow {
  constructor({ admission }) {
    const look = resultLook(admission.result);
    this.name = h("span.faint.wrap");
    const on = admission.device ? ` on ${admission.device}` : "";
    const trail = admission.trail.length
      ? h("ol.trail", {}, ...admission.trail.map(step))
      : h("p.faint", {}, "Nothing else was looked at.");
    const what = `${codecName(admission.codec) ?? "Encoder"}${on}`;
    this.element = h(
      "details.receipt",
      { "data-tone": look.tone },
      h(
        "summary",
        {},
        icon(look.icon),
        h(
          "span.person-text",
          {},
          h("span", {}, h("span.strong", {}, look.word), ` · ${what}`),
          this.name,
          admission.why ? h("span.faint.wrap", {}, admission.why) : null,
        ),
        moment(admission.at),
      ),
      h("p.faint", {}, "What was looked at, in this order:"),
      trail,
    );
  }

  update({ name }) {
    setText(this.name, name); // a decision never changes; what its lobby is called may be known later
  }
}

export class Admissions {
  #rows = new Map();

  constructor() {
    this.list = h("div.receipts");
    this.empty = h("p.faint", {}, "Nothing was decided yet.");
  }

  draw(admissions, nameOf) {
    keyed(
      this.list,
      this.#rows,
      admissions.map((admission) => ({ admission, name: nameOf(admission.holder, admission.lobby) })),
      (item) => item.admission.number,
      (item) => new AdmissionRow(item),
    );
    show(this.empty, admissions.length === 0);
  }
}
