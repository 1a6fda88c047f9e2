// Short news at the edge of the page; gone by itself or by a click. At most a few at once.
import { h } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 8000;
const MOST = 4;

export function toast(title, text = null, tone = "idle") {
  const root = document.getElementById("toasts");
  const close = h(
    "button.quiet.icon-only",
    { type: "button", "aria-label": "Dismiss", onclick: () => element.remove() },
    icon("close"),
  );
  const element = h(
    "div.toast",
    { "data-tone": tone },
    h("div", {}, h("p.strong", {}, title), text ? h("p.faint", {}, text) : null),
    close,
  );
  root.append(element);
  while (root.children.length > MOST) root.firstElementChild.remove();
  setTimeout(() => element.remove(), SHOWN_MS);
}
