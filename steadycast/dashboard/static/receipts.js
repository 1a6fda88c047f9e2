// Receipts: what was measured from outside after a worker ended.
import * as api from "./api.js";
import { add, clear, h } from "./dom.js";
import { count, exitText, residue, took } from "./format.js";
import { causeText } from "./happenings.js";
import { icon } from "./icons.js";
import { measuresTable } from "./measures.js";
import { moment } from "./moment.js";

const WORKER_WORDS = { lobby: "Lobby worker", egress: "Egress worker", display: "Display worker" };
// The steps of an end.
const RUNGS = {
  evidence: "looked into",
  end: "asked to end",
  term: "SIGTERM",
  kill: "SIGKILL",
  reaped: "gone",
  "family term": "descendants, SIGTERM",
  "family kill": "descendants, SIGKILL",
  looked: "looked at from outside",
  drivers: "drivers asked",
};

const SUBJECTS = [
  ["worker", "Of workers", "No worker has ended yet."],
  ["rendition", "Of renditions", "No rendition has ended yet."],
  ["viewer", "Of viewers", "No viewer has left yet."],
  ["", "All", "Nothing has ended yet."],
];

// Of something that ended in a worker that goes on.
const lives = (receipt) => receipt.subject === "rendition" || receipt.subject === "viewer";

function subjectOf(receipt) {
  if (receipt.subject === "rendition") return `Rendition ${receipt.name} in worker`;
  if (receipt.subject === "viewer") return "Viewer in worker";
  return WORKER_WORDS[receipt.kind] ?? receipt.kind;
}

// One receipt; its rungs and checks unfold.
export function receiptItem(receipt) {
  const left = residue(receipt);
  const clean = receipt.clean && left.length === 0;
  const stayed = receipt.checks.some((check) => check.residue?.length);
  const compared = !lives(receipt) || stayed;
  const ended = lives(receipt) ? null : exitText(receipt);
  const verdict = clean ? "clean" : stayed ? "residue" : compared ? "not all could be checked" : "not compared";
  return h(
    "details.receipt",
    { "data-tone": clean ? "good" : compared ? "bad" : "idle" },
    h(
      "summary",
      {},
      icon(clean ? "check" : "incomplete"),
      h(
        "span.person-text",
        {},
        h(
          "span",
          {},
          `${subjectOf(receipt)} `,
          h("span.mono.faint", {}, String(receipt.pid)),
          ` · ${verdict}`,
        ),
        h("span.faint", {}, [causeText(receipt.cause), ended].filter(Boolean).join(" · ")),
      ),
      moment(receipt.ended),
    ),
    evidenceOf(receipt),
    left.length
      ? h(
          "ul.residue",
          {},
          left.map((text) => h("li", {}, text)),
        )
      : null,
    h("p.faint", {}, `Looked at: ${receipt.checks.map((check) => check.name).join(", ") || "nothing"}.`),
    ended || lives(receipt) ? null : h("p.faint", {}, "How it ended is not known: a former run of the host had started it."),
    receipt.rungs.length
      ? h(
          "ol.rungs",
          {},
          receipt.rungs.map((rung) =>
            h(
              "li",
              {},
              h("span", {}, RUNGS[rung.name] ?? rung.name),
              h("span.num", {}, took(rung.took)),
              rung.note ? h("span.faint", {}, rung.note) : null,
            ),
          ),
        )
      : null,
    measuresTable(receipt.before, receipt.after),
  );
}

// What was kept of a worker that hung, before it was killed; fetched when somebody wants to see it.
function evidenceOf(receipt) {
  if (!receipt.evidence) return null;
  const text = h("pre.evidence", { hidden: true, tabindex: "0" });
  const button = h("button.button.small", { type: "button" }, "Show what it hung in");
  button.addEventListener("click", async () => {
    button.hidden = true;
    text.hidden = false;
    text.textContent = "Loading…";
    try {
      text.textContent = JSON.stringify(await api.evidenceOf(receipt.id), null, 2).replaceAll("\\n", "\n");
    } catch (problem) {
      text.textContent = [problem.message, problem.why, problem.hint].filter(Boolean).join(" ");
    }
  });
  return h("div", {}, button, text);
}

// The answer of a stop: what state it left, and the receipts that prove it.
export function stopReport(answer) {
  const clean = answer.state === "DESTROYED" && answer.receipts.every((receipt) => receipt.clean);
  const many = count(answer.receipts.length, "receipt");
  const text = clean
    ? answer.receipts.length
      ? "Everything it held was given back."
      : "It held no worker any more."
    : "Something was left behind. It is listed below.";
  return h(
    "section.report",
    { "data-tone": clean ? "good" : "bad", "aria-label": "Receipt" },
    h("h3", {}, icon(clean ? "check" : "incomplete"), clean ? "Stopped, clean" : "Stopped, cleanup incomplete"),
    h("p", {}, `${text} ${many}.`),
    answer.receipts.map(receiptItem),
  );
}

export class Receipts {
  #shown = null;

  #store;

  constructor(store) {
    this.#store = store;
    this.list = h("div.receipts");
    this.choice = h(
      "select.subject",
      { "aria-label": "Receipts of", onchange: () => store.chooseReceipts(this.choice.value) },
      SUBJECTS.map(([value, text]) => h("option", { value }, text)),
    );
    const head = h("div.happenings-head", {}, h("h3", {}, "Receipts"), this.choice);
    this.element = h("section.panel", { "aria-label": "Receipts" }, head, this.list);
  }

  draw(receipts, most) {
    const items = receipts.slice(0, most);
    const subject = this.#store.receiptsOn;
    const ids = [subject, ...items.map((receipt) => receipt.id)].join();
    if (ids === this.#shown) return; // a receipt never changes
    this.#shown = ids;
    this.choice.value = subject;
    const open = new Set([...this.list.querySelectorAll("details[open]")].map((element) => element.dataset.id));
    const elements = items.map((receipt) => {
      const element = receiptItem(receipt);
      element.dataset.id = receipt.id;
      element.open = open.has(receipt.id);
      return element;
    });
    add(clear(this.list), elements.length ? elements : [h("p.faint", {}, SUBJECTS.find(([value]) => value === subject)[2])]);
  }
}
