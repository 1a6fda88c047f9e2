// Words for what happened. Pure: an event in, text out; nothing here touches the document.
import { count, stateLook, took } from "./format.js";

const ENCODER_EVENTS = {
  granted: "Encoder granted",
  fallback: "Software instead of hardware",
  queued: "In the line for an encoder",
  refused: "No encoder given",
  failed: "Encoder failed",
  promoted: "Moved to hardware",
  learned: "Session cap learned",
  copies: "Pictures go through the memory of the CPU",
  drift: "Books and driver differ",
};

const FINDING_EVENTS = {
  opened: "A leak is suspected",
  confirmed: "A leak is confirmed",
  worse: "A leak got worse",
  healed: "A leak healed",
  closed: "It was no leak",
};

const OTHER_EVENTS = {
  "worker.diagnosis": "What the log of a worker means",
  "lobby.adopted": "Goes on under a new host",
  "lobby.recycling": "Its worker is being replaced",
  "lobby.recycled": "Its worker was replaced",
  "lobby.latched": "Stays down until a person acts",
  "lobby.restarted": "Tried again, what was is forgiven",
  "host.adopted": "The host was started again and took over its workers",
  "host.reloaded": "The config was read again",
  "host.reload_failed": "The config was not taken; nothing changed",
  "host.closing": "The host ends",
  "store.removals_waiting": "A deletion could not be stored yet",
  "store.removals_done": "All deletions are stored",
};

const RENDITION_EVENTS = {
  OPENING: "Rendition opens",
  OPEN: "Rendition open",
  MOVING: "Rendition moves to another encoder",
  IDLE: "Nobody watches the rendition",
  CLOSING: "Rendition closes",
  CLOSED: "Rendition closed",
};

const WORKER_EVENTS = {
  STARTING: "Worker starts",
  ADOPTED: "Worker found alive",
  READY: "Worker ready",
  due: "Worker is to be replaced",
  ENDING: "Worker ends",
  GONE: "Worker gone",
  CLEANUP_INCOMPLETE: "Worker gone, something of it stays",
};

const VIEWER_EVENTS = {
  connecting: "Viewer connects",
  joined: "Viewer joined",
  leaving: "Viewer is told to go",
  gone: "Viewer gone",
};

const RECEIPT_SUBJECTS = { lobby: "Lobby worker", egress: "Egress worker", display: "Display worker" };

// Why a worker that works is replaced.
const RECYCLE_CAUSES = {
  person: "by a person",
  age: "because of its age",
  uses: "because of how often it was used",
  memory: "because of its memory",
  descriptors: "because of its descriptors",
  finding: "because of what was found",
  residue: "because something had stayed in it",
  config: "for the new config",
};

// Why something ended, as its receipt has it.
export function causeText(cause) {
  const [, recycled] = /^recycled: (\w+)$/.exec(cause) ?? [];
  return recycled ? `recycled ${RECYCLE_CAUSES[recycled] ?? recycled}` : cause;
}

// What a replacement meant for those who watch.
const RECYCLE_HOW = {
  seamless: "nobody was disconnected",
  paused: "viewers saw a short pause",
  failed: "the one before goes on",
};

// What became of lobbies when the config was read again.
const PLAN_WORDS = {
  added: "added",
  removed: "removed",
  source: "with another source",
  renditions: "with other renditions",
  encoders: "encoded in another way",
  renamed: "renamed",
  untouched: "untouched",
};

// A worker that ends and was not asked to.
function isLoss(event) {
  return event.name === "worker.ENDING" && /died|silent|stands still|connection lost|hung at adoption/.test(event.why ?? "");
}

// A step on the way, which is left out where only what matters is shown: nobody asked for it, nothing is wrong.
export function isStep(event) {
  const what = String(event.name).split(".")[1] ?? "";
  if (event.name === "lobby.adopted") return true; // its host says so
  if (event.name === "lobby.CREATED" || event.name === "lobby.recycling") return true; // the next one says more
  if (event.kind === "rendition") return !(what === "OPENING" && event.why && !/worker or source/.test(event.why)); // its lobby says so
  if (event.kind === "finding") return event.data?.state === "suspect" || what === "closed"; // nobody has to act
  if (event.kind === "worker") return ["STARTING", "READY", "ENDING", "GONE"].includes(what) && !isLoss(event);
  return event.kind === "viewer" && (what === "connecting" || what === "leaving");
}

// `lobby.STREAMING` → "Streaming", `viewer.joined` → "Viewer joined", with the reason if there is one.
export function eventText(event) {
  const [kind, what] = String(event.name).split(".");
  if (kind === "lobby" && what && what === what.toUpperCase()) return stateLook(what).word;
  if (isLoss(event)) return `Worker lost${subject(event)}`;
  if (event.name === "lobby.recycled" && event.data?.how === "failed") return "Its worker was not replaced";
  if (event.name === "host.reload_failed" && event.data?.outcome === "rolled_back") return "The new config was rolled back";
  const words = { encoder: ENCODER_EVENTS, finding: FINDING_EVENTS, rendition: RENDITION_EVENTS, worker: WORKER_EVENTS, viewer: VIEWER_EVENTS };
  if (words[event.kind]?.[what]) return words[event.kind][what] + subject(event);
  if (event.kind === "receipt" && typeof event.data?.clean === "boolean") return receiptText(event.data);
  if (OTHER_EVENTS[event.name]) return OTHER_EVENTS[event.name];
  const name = String(event.name).replaceAll(/[._]/g, " ").trim();
  return name ? name[0].toUpperCase() + name.slice(1).toLowerCase() : event.kind;
}

function receiptText({ clean, subject: of, kind, name: called }) {
  const what = of === "worker" ? (RECEIPT_SUBJECTS[kind] ?? "Worker") : of === "viewer" ? "Viewer" : `Rendition ${called}`;
  return `${what} gone: receipt, ${clean ? "clean" : "not clean"}`;
}

// What else there is to say of it, one sentence in small print; null where its words say all.
export function eventNote(event) {
  const { data = {}, why } = event;
  if (event.name === "lobby.recycled" || event.name === "lobby.recycling") {
    const cause = RECYCLE_CAUSES[data.cause] ?? data.cause;
    const time = data.how && data.how !== "failed" ? `took ${took(data.took_s)}` : null;
    return [cause, RECYCLE_HOW[data.how], why, time].filter(Boolean).join(" · ");
  }
  if (event.name === "host.adopted" && data.adopted) return adoptionNote(data);
  if (event.name === "host.reloaded") {
    const steps = Object.entries(PLAN_WORDS).filter(([step]) => data[step]);
    return steps.map(([step, words]) => `${count(data[step], "lobby", "lobbies")} ${words}`).join(" · ") || why;
  }
  return (event.kind === "receipt" ? causeText(why) : why) || null;
}

function adoptionNote({ adopted, viewers, ended, took_s: time }) {
  const workers = Object.values(adopted).reduce((sum, one) => sum + one, 0);
  const rest = ended ? `${count(ended, "other")} ended` : null;
  return [count(workers, "worker"), `${count(viewers, "viewer")} went on`, rest, `took ${took(time)}`].filter(Boolean).join(" · ");
}

function subject(event) {
  const named = { rendition: event.data?.track, worker: event.data?.worker }[event.kind];
  return named ? ` · ${named}` : "";
}

const MARKS = { viewer: "viewer", worker: "worker", receipt: "receipt", encoder: "worker", rendition: "copy", finding: "search" };

// The name of its icon.
export function eventMark(event) {
  const what = String(event.name).split(".")[1] ?? "";
  if (event.kind === "lobby" && what && what === what.toUpperCase()) return stateLook(what).icon;
  if (event.name === "lobby.latched") return "degraded";
  if (event.kind === "lobby") return "again";
  return MARKS[event.kind] ?? "host";
}

export function eventTone(event) {
  const what = String(event.name).split(".")[1] ?? "";
  if (event.kind === "lobby" && what === what.toUpperCase() && what) return stateLook(what).tone;
  if (event.name === "finding.healed") return "good";
  if (event.name === "finding.confirmed" || event.name === "finding.worse") return "bad";
  if (event.name === "worker.diagnosis" && event.data?.remedy !== "none") return "warn";
  if (event.data?.clean === false || event.data?.how === "failed" || isLoss(event)) return "warn";
  if (/died|refused|failed|latched|hung|fallback|copies|drift/.test(event.name)) return "warn";
  return "idle";
}
