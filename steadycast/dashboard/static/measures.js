// What a process held before and after, side by side.
import { h } from "./dom.js";
import { bytes } from "./format.js";

const BYTES = { pss: "memory (PSS)", private_dirty: "memory, private", vram: "GPU memory" };
const COUNTS = { processes: "processes", encoder_sessions: "encoder sessions" };
const TABLES = { descriptors: "descriptors", threads: "threads", objects: "GStreamer objects" };
const MOST = 24; // lines of one table; the rest is summed up in its head

function sum(table) {
  if (table === undefined) return undefined;
  return table ? Object.values(table).reduce((all, one) => all + one, 0) : null;
}

// `after` is undefined where the process is gone and there is only what it held before.
function line(name, before, after, shown = (value) => String(value)) {
  if (before === null && (after ?? null) === null) return null;
  const cell = (value) => h("td.num", {}, value === null ? "unknown" : shown(value));
  const more = after !== undefined && after !== null && before !== null && after > before;
  const cells = [cell(before), after === undefined ? null : cell(after)];
  return h("tr", { "data-tone": more ? "warn" : null }, h("th", { scope: "row" }, name), cells);
}

// The names of which the number changed; those that stayed are in the sum.
function changes(before, after) {
  if (!before || !after) return [];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const changed = names.filter((name) => (before[name] ?? 0) !== (after[name] ?? 0));
  return changed.slice(0, MOST).map((name) => line(`   ${name}`, before[name] ?? 0, after[name] ?? 0));
}

// Null where nothing was measured. Of a worker that is gone there is no after: nothing can hold anything.
export function measuresTable(before, after) {
  if (!before && !after) return null;
  const of = (measures, key) => (measures ? (measures[key] ?? null) : after ? null : undefined);
  const rows = [
    ...Object.entries(COUNTS).map(([key, name]) => line(name, of(before, key), of(after, key))),
    ...Object.entries(TABLES).flatMap(([key, name]) => [
      line(name, sum(of(before, key)), sum(of(after, key))),
      ...changes(of(before, key), of(after, key)),
    ]),
    ...Object.entries(BYTES).map(([key, name]) => line(name, of(before, key), of(after, key), bytes)),
  ].filter(Boolean);
  const heads = after ? ["before", "after"] : ["before its end"];
  const head = h("tr", {}, h("th", {}, "Held"), heads.map((text) => h("th.num", {}, text)));
  const gone = after ? null : h("p.faint", {}, "The process is gone, and what it held went with it.");
  return h("div.measures", {}, h("table", {}, h("thead", {}, head), h("tbody", {}, rows)), gone);
}
