// Times that stay true: relative for the eye, exact on hover, one clock for all of them.
import { h, setText } from "./dom.js";
import { ago, exact, soon } from "./format.js";

const shown = new Map(); // element → {at: Unix seconds, words: (at, now) → text}

// A <time>; `at` may be set later with setMoment.
export function moment(at = null) {
  const element = h("time.moment");
  setMoment(element, at);
  return element;
}

export function setMoment(element, at, words = ago) {
  if (shown.get(element)?.at === at && at !== null) return;
  if (!Number.isFinite(at)) {
    shown.delete(element);
    setText(element, "");
    return;
  }
  shown.set(element, { at, words });
  element.dateTime = new Date(at * 1000).toISOString();
  element.title = exact(at);
  setText(element, words(at, Date.now() / 1000));
}

// Of something that is to come: "in 3 h".
export function until(at) {
  const element = h("time.moment");
  setMoment(element, at, soon);
  return element;
}

setInterval(() => {
  const now = Date.now() / 1000;
  for (const [element, { at, words }] of shown) {
    if (element.isConnected) setText(element, words(at, now));
    else shown.delete(element); // its row is gone, or will say its time again when it returns
  }
}, 1000);
