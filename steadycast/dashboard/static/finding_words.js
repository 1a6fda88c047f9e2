// Words for findings: leaks and drifts. Pure: a finding in, text out; nothing here touches the document.
import { count, duration } from "./format.js";

// Each state with its words, its tone and its icon, so that colour is never the only sign.
const STATES = {
  suspect: { word: "Suspect", tone: "warn", icon: "search" },
  confirmed: { word: "Confirmed", tone: "bad", icon: "incomplete" },
  healed: { word: "Healed", tone: "good", icon: "check" },
  closed: { word: "No leak", tone: "idle", icon: "destroyed" },
};
const SIZES = [
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
];
const MOST = 8; // lines of evidence, as a browser shows them well

export const isOpen = (finding) => finding.state === "suspect" || finding.state === "confirmed";

// `why`: why it was closed, where it was.
export function findingLook(state, why = null) {
  if (state === "closed" && why?.startsWith("not decided")) return { ...STATES.closed, word: "Not decided" };
  return STATES[state] ?? { word: String(state), tone: "idle", icon: "created" };
}

// A value in the unit of its series: "12.3 MiB", "1,024", "45 %".
export function amount(value, unit) {
  if (!Number.isFinite(value)) return "unknown";
  if (unit === "ratio") return `${Math.round(value * 100)} %`;
  if (unit === "count") return value.toLocaleString(undefined, { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 });
  const [size, name] = SIZES.find(([least]) => Math.abs(value) >= least) ?? [1, "bytes"];
  const digits = { maximumFractionDigits: size === 1 ? 0 : 1 };
  return `${(value / size).toLocaleString(undefined, digits)} ${name}`;
}

// "36.2 to 41.4 MiB": the unit once, where it is the same.
export function between(low, high, unit) {
  const [[from, ...least], [to, ...most]] = [low, high].map((value) => amount(value, unit).split(" "));
  return [from, ...(least.join() === most.join() ? [] : least), "to", to, ...most].join(" ");
}

function rateText(rate, unit, per) {
  const { value, low, high, confidence } = rate;
  const interval = `${between(low, high, unit)}, ${Math.round(confidence * 100)} % sure`;
  return `${amount(value, unit)} ${per} (${interval})`;
}

// One line a rate, the one of a cycle first: it tells more.
export function speeds(finding) {
  const { per_cycle: cycle, per_hour: hour, unit } = finding;
  return [
    cycle ? rateText(cycle, unit, `each ${finding.cycle ?? "cycle"}`) : null,
    hour ? rateText(hour, unit, "an hour") : null,
  ].filter(Boolean);
}

// Which limit is met, and in how many seconds from when the finding was judged.
export function endText({ exhaustion: end, unit }) {
  if (!end) return null;
  const used = `${amount(end.used, unit)} of ${amount(end.of, unit)} used`;
  return `${end.limit}: ${used}; met ${duration(end.seconds)} after it was judged, ${duration(end.earliest)} at the earliest`;
}

export function sourceLines(finding) {
  return finding.sources.flatMap((source) => [
    { text: `${source.what} (${Math.round(source.weight * 100)} %)`, strong: true },
    ...source.evidence.map((text) => ({ text })),
  ]);
}

// What the probe did is told apart.
export function evidenceLines(finding) {
  const told = finding.evidence.filter((line) => !finding.probe || !/^(probe: |confirmed by a probe)/.test(line));
  const grew = finding.related.map(({ resource, detail }) => (detail ? `${resource} (${detail})` : resource));
  return [...told.slice(0, MOST), grew.length ? `grew together with ${grew.join(", ")}` : null].filter(Boolean);
}

export function probeLines({ probe }) {
  if (!probe) return [];
  const verdict = { true: "It is lost", false: "It is not lost" }[probe.confirmed] ?? "Not decided";
  return [{ text: `${verdict}: ${probe.why}`, strong: true }, ...probe.steps.map((text) => ({ text }))];
}

// What was done about it and what that did to the growth.
export function actionText({ what, result, effect }) {
  return [what, result, effect ? `effect: ${effect}` : "its effect is not known yet"].join(" · ");
}

// Where nothing is found: what is looked at, so that silence means something.
export function watchedText(watched) {
  if (!watched) return "Nothing is watched: tracking is switched off in the config of this host.";
  const of = `${count(watched.processes, "process", "processes")}, ${count(watched.series, "series", "series")}`;
  return `No leak is known. Watched: ${of}.`;
}

// One sentence for the head of the page; empty where nothing is confirmed.
export function leakText(findings) {
  const confirmed = findings.filter((finding) => finding.state === "confirmed");
  if (!confirmed.length) return "";
  const more = confirmed.length > 1 ? ` And ${count(confirmed.length - 1, "other leak")}.` : "";
  return `A leak is confirmed: ${confirmed[0].headline}.${more}`;
}
