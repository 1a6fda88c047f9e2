// Words and numbers for people. Pure: facts in, text out; nothing here touches the document. Unknown is shown as "–".
export const UNKNOWN = "–";

// Each state with its words, its tone (a colour) and its icon, so that colour is never the only sign.
const STATES = {
  CREATED: { word: "Created", tone: "busy", icon: "created" },
  STARTING: { word: "Starting", tone: "busy", icon: "starting" },
  STREAMING: { word: "Streaming", tone: "good", icon: "streaming" },
  DEGRADED: { word: "Degraded", tone: "warn", icon: "degraded" },
  DRAINING: { word: "Draining", tone: "busy", icon: "draining" },
  ENDING: { word: "Ending", tone: "busy", icon: "ending" },
  DESTROYED: { word: "Gone", tone: "idle", icon: "destroyed" },
  CLEANUP_INCOMPLETE: { word: "Cleanup incomplete", tone: "bad", icon: "incomplete" },
};

export function stateLook(state) {
  return STATES[state] ?? { word: String(state ?? "Unknown"), tone: "idle", icon: "created" };
}

// Nothing happens to it by itself any more: somebody has to act.
export function staysDown(lobby) {
  return lobby?.state === "DEGRADED" && !Number.isFinite(lobby.retry_at) && Boolean(lobby.hint);
}

export function isEnding(state) {
  return ["DRAINING", "ENDING", "DESTROYED", "CLEANUP_INCOMPLETE"].includes(state);
}

// Seconds to "12 s", "3 min", "2 h 5 min", "4 d 3 h".
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return UNKNOWN;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

// Short times of measured steps: "8 ms", "1.3 s".
export function took(seconds) {
  if (!Number.isFinite(seconds)) return UNKNOWN;
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

// Unix seconds against now: "just now", "12 s ago", "in 5 s".
export function ago(at, now) {
  if (!Number.isFinite(at)) return UNKNOWN;
  const past = now - at;
  if (past < -1) return `in ${duration(-past)}`;
  return past < 2 ? "just now" : `${duration(past)} ago`;
}

// The same for something that is to come and may be late: "in 5 s", then "now".
export function soon(at, now) {
  return at > now + 0.5 ? `in ${duration(Math.ceil(at - now))}` : "now";
}

export function exact(at) {
  if (!Number.isFinite(at)) return UNKNOWN;
  return new Date(at * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
}

// Bits a second.
export function bitrate(bps) {
  if (!Number.isFinite(bps)) return UNKNOWN;
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(bps >= 1e7 ? 1 : 2)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;
}

export function bytes(number) {
  const mebi = number / (1 << 20);
  return mebi >= 1024 ? `${(mebi / 1024).toFixed(1)} GiB` : `${mebi.toFixed(mebi < 10 ? 1 : 0)} MiB`;
}

export function milliseconds(seconds) {
  return Number.isFinite(seconds) ? `${Math.round(seconds * 1000)} ms` : UNKNOWN;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

export function size(width, height) {
  return width && height ? `${width} × ${height}` : null;
}

const KIND_WORDS = { test: "Test picture", desktop: "Desktop", rtsp: "Camera", file: "File", push: "Program" };

export function kindWord(kind) {
  return KIND_WORDS[kind] ?? String(kind ?? "Source");
}

// The one thing that tells this source from others of its kind: the program, the address, the path.
export function sourceSubject(source) {
  if (source.kind === "desktop") return source.application ?? (source.command ?? []).join(" ");
  return source.url ?? source.path ?? "";
}

export function sourceSummary(source) {
  const fps = source.fps ? `${source.fps} fps` : null;
  return [kindWord(source.kind), sourceSubject(source), size(source.width, source.height), fps]
    .filter(Boolean)
    .join(" · ");
}

// What a rendition is made by: an encoder, or none.
export function encoderText(rendition) {
  const copy = rendition.track ? rendition.track.encoder === null : rendition.name === "copy";
  if (copy) return "copy: no encoder";
  return rendition.track ? rendition.track.encoder : null;
}

// A rendition that is made with less than its own bitrate, for the way to a viewer.
function narrowText(rendition) {
  const { asked, in_force: made } = rendition.bitrate ?? {};
  return asked ? `${bitrate((made ?? asked) * 1000)} for a viewer's narrow way` : null;
}

export function renditionText(rendition) {
  const of = rendition.track ?? rendition.declared ?? {};
  const fps = of.fps ? `${Number(of.fps.toFixed(2))} fps` : null;
  const rate = rendition.declared?.bitrate_kbps;
  return [
    of.codec === "copy" ? null : codecName(of.codec),
    size(of.width, of.height),
    fps,
    narrowText(rendition) ?? (rate ? bitrate(rate * 1000) : null),
  ]
    .filter(Boolean)
    .join(" · ");
}

export function codecName(codec) {
  return { h264: "H.264", h265: "H.265", opus: "Opus" }[codec] ?? codec?.toUpperCase() ?? null;
}

const SIGNALS = { 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM" };

// How a process ended, in words; null where nobody could see it: it was not started by this run of the host.
export function exitText(receipt) {
  if (Number.isFinite(receipt.signal)) return `ended by ${SIGNALS[receipt.signal] ?? `signal ${receipt.signal}`}`;
  if (Number.isFinite(receipt.exit_code))
    return receipt.exit_code === 0 ? "exited by itself" : `exit code ${receipt.exit_code}`;
  return null;
}

// What stayed behind, one text a thing; empty if clean. A check that could not be made is named too.
export function residue(receipt) {
  const left = [];
  for (const check of receipt.checks ?? []) {
    if (check.residue === null) left.push(`${check.name}: could not be looked at${check.why ? ` (${check.why})` : ""}`);
    else for (const thing of check.residue) left.push(`${check.name}: ${thing}`);
  }
  return left;
}
