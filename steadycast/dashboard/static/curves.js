// What the worker of a lobby held over time, as small pictures: a band from the lowest to the highest, a line of medians.
import * as api from "./api.js";
import { add, clear, h, setText, show } from "./dom.js";
import { amount, between, findingLook } from "./finding_words.js";
import { count, exact } from "./format.js";
import { moment } from "./moment.js";

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 72;
const POINTS = 240;
const AGAIN_MS = 10_000; // no picture is asked for sooner
const IDLE_S = 150; // looks at what stands still come each minute: a longer gap is one
const SPANS = [
  [900, "15 minutes"],
  [3600, "1 hour"],
  [21_600, "6 hours"],
  [86_400, "1 day"],
  [604_800, "7 days"],
  [2_592_000, "30 days"],
];
// What is drawn, and the findings that are marked in it.
const SERIES = [
  ["memory.private", "Memory", /^(memory|allocator)\./],
  ["descriptors", "Descriptors", /^descriptors$/],
  ["threads", "Threads", /^threads$/],
];

function shape(name, attributes, text = null) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) {
    const title = document.createElementNS(NS, "title");
    title.textContent = text;
    element.append(title);
  }
  return element;
}

// Runs of points without a gap between.
export function runs(points, width) {
  const most = Math.max(width * 2.5, IDLE_S);
  const found = [];
  for (const point of points) {
    const run = found.at(-1);
    if (run && point[0] - run.at(-1)[0] <= most) run.push(point);
    else found.push([point]);
  }
  return found;
}

// The values that the picture is between; never of no height.
export function bounds(points) {
  const low = Math.min(...points.map((point) => point[1]));
  const high = Math.max(...points.map((point) => point[3]));
  const room = Math.max((high - low) * 0.08, Math.abs(high) * 0.01, 1e-9);
  return { low, high, bottom: Math.max(0, low - room), top: high + room };
}

// A worker that is younger than the time that was chosen fills the picture all the same.
function firstShown(series, since) {
  const firsts = series.flatMap((one) => one.points.slice(0, 1)).map(([at]) => at);
  return firsts.length ? Math.max(since, Math.min(...firsts)) : since;
}

function curve(series, since, until, marks) {
  const { bottom, top } = bounds(series.points);
  const x = (at) => Math.min(WIDTH, Math.max(0, ((at - since) / (until - since)) * WIDTH)).toFixed(1);
  const y = (value) => (HEIGHT - ((value - bottom) / (top - bottom)) * HEIGHT).toFixed(1);
  const path = (points, of) => points.map((point) => `${x(point[0])},${y(of(point))}`);
  const parts = runs(series.points, series.width).flatMap((run) => {
    const last = run.at(-1);
    const whole = run.length > 1 ? run : [run[0], [last[0] + Math.max(series.width, (until - since) / 200), ...last.slice(1)]];
    const band = [...path(whole, (point) => point[3]), ...path(whole.toReversed(), (point) => point[1])];
    const line = path(whole, (point) => point[2]).join(" ");
    return [shape("polygon", { class: "curve-band", points: band.join(" ") }), shape("polyline", { class: "curve-line", points: line })];
  });
  const upright = (at, name, text) => shape("line", { class: name, x1: x(at), x2: x(at), y1: 0, y2: HEIGHT }, text);
  parts.push(...series.epochs.map((at) => upright(at, "curve-epoch", `Another process from here on, ${exact(at)}`)));
  for (const finding of marks) {
    const mark = upright(finding.since ?? finding.opened, "curve-mark", `${findingLook(finding.state, finding.why_closed).word}: ${finding.headline}`);
    mark.dataset.tone = findingLook(finding.state, finding.why_closed).tone;
    parts.push(mark);
  }
  return parts;
}

class Curve {
  constructor(name, findings) {
    this.name = name;
    this.of = findings;
    this.now = h("span.num");
    this.range = h("span.faint.num");
    this.svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "curve", role: "img" });
    this.legend = h("ul.curve-legend");
    const head = h("div.curve-head", {}, h("span.gauge-label", {}, name), this.range, this.now);
    this.element = h("div", {}, head, this.svg, this.legend);
  }

  // False where there is nothing to show.
  draw(series, since, until, findings) {
    const points = series?.points ?? [];
    show(this.element, points.length > 0);
    if (!points.length) return false;
    const { low, high } = bounds(points);
    const marks = findings.filter((one) => this.of.test(one.resource) && (one.since ?? one.opened) >= since);
    setText(this.now, amount(points.at(-1)[2], series.unit));
    setText(this.range, low === high ? "" : between(low, high, series.unit));
    // The first process that is seen took nothing over.
    const epochs = series.epochs.filter((at) => at > points[0][0] + series.width);
    const lives = epochs.length ? `, ${count(epochs.length, "time")} another process` : "";
    const said = `${this.name}: ${between(low, high, series.unit)}, now ${this.now.textContent}${lives}`;
    this.svg.setAttribute("aria-label", said);
    add(clear(this.svg), curve({ ...series, epochs }, since, until, marks));
    const told = marks.map((one) =>
      h("li", { "data-tone": findingLook(one.state, one.why_closed).tone }, `${findingLook(one.state, one.why_closed).word}, began `, moment(one.since ?? one.opened)),
    );
    add(clear(this.legend), told);
    return true;
  }
}

export class Curves {
  #asked = 0;
  #last = { lobby: null, at: -AGAIN_MS };
  #found = null; // what was answered last
  #shown = null;

  constructor() {
    this.choice = h(
      "select.subject",
      { "aria-label": "How far back", onchange: () => this.#ask() },
      SPANS.map(([seconds, text]) => h("option", { value: seconds }, text)),
    );
    this.choice.value = "3600";
    this.curves = SERIES.map(([, name, of]) => new Curve(name, of));
    this.empty = h("p.faint", {}, "Nothing was measured in this time.");
    this.hint = h("p.faint", {}, "Band: lowest to highest. Dashed: another process took over. Coloured: a finding began.");
    const head = h("div.happenings-head", {}, h("h3", {}, "What its worker holds"), this.choice);
    this.element = h(
      "section.panel",
      { "aria-label": "What its worker holds", hidden: true },
      head,
      this.empty,
      h("div.curves", {}, this.curves.map((one) => one.element)),
      this.hint,
    );
  }

  // Asks anew where it is due. `created`: of the lobby. `watched`: whether the host measures anything.
  draw({ id: lobby, created }, findings, watched) {
    show(this.element, watched);
    this.lobby = lobby;
    this.created = created;
    this.findings = findings;
    const due = performance.now() - this.#last.at >= AGAIN_MS;
    if (watched && (due || this.#last.lobby !== lobby)) this.#ask();
    else if (this.#found) this.#show(this.#found); // a finding may be new
  }

  async #ask() {
    this.#asked += 1;
    const [asked, lobby, span] = [this.#asked, this.lobby, Number(this.choice.value)];
    this.#last = { lobby, at: performance.now() };
    const until = Date.now() / 1000;
    const since = Math.min(Math.max(until - span, this.created - 1), until - 1);
    let found;
    try {
      const wanted = { role: `lobby:${lobby}`, since, until, points: POINTS };
      found = await Promise.all(SERIES.map(([resource]) => api.history({ ...wanted, resource, detail: "" })));
    } catch {
      return; // the line is down, and the banner says so
    }
    if (asked !== this.#asked) return; // somebody chose another time meanwhile
    this.#found = { series: found.map((one) => one[0]), since: firstShown(found.flat(), since), until };
    this.#show(this.#found);
  }

  #show(found) {
    const key = JSON.stringify([found.until, this.findings.map((one) => [one.id, one.state, one.since])]);
    if (key === this.#shown) return;
    this.#shown = key;
    const drawn = this.curves.map((one, at) => one.draw(found.series[at], found.since, found.until, this.findings));
    show(this.empty, !drawn.some(Boolean));
    show(this.hint, drawn.some(Boolean));
  }
}
