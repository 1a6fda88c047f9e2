// Figures of the browser's own statistics. `figures` is pure; StatsPanel shows them.
import { h, setAttr, setText } from "./dom.js";
import { UNKNOWN, bitrate, codecName, milliseconds } from "./format.js";

// What is needed of an RTCStatsReport, flat: {at, video, audio, pair}. `at` is in seconds.
export function snapshot(report) {
  const all = [...report.values()];
  const inbound = (kind) => all.find((entry) => entry.type === "inbound-rtp" && entry.kind === kind) ?? null;
  const transport = all.find((entry) => entry.type === "transport" && entry.selectedCandidatePairId);
  const video = inbound("video");
  return {
    at: (video ?? all[0])?.timestamp / 1000,
    video,
    audio: inbound("audio"),
    codec: video?.codecId ? report.get(video.codecId) : null,
    pair: transport ? report.get(transport.selectedCandidatePairId) : null,
  };
}

export function packets(snap) {
  return (snap?.video?.packetsReceived ?? 0) + (snap?.audio?.packetsReceived ?? 0);
}

// Two snapshots of one session, the older first, give rates over the time between. Unknown is null.
export function figures(before, now) {
  const video = now.video;
  if (!video) return {};
  const span = before?.video && before.video.id === video.id ? now.at - before.at : 0;
  const step = (name) => (span > 0 ? (video[name] ?? 0) - (before.video[name] ?? 0) : null);
  const each = (total, per) => (step(per) > 0 ? step(total) / step(per) : null);
  const received = step("packetsReceived");
  const lost = step("packetsLost");
  return {
    fps: span > 0 ? step("framesDecoded") / span : null,
    width: video.frameWidth ?? null,
    height: video.frameHeight ?? null,
    bitrate: span > 0 ? (step("bytesReceived") * 8) / span : null,
    buffer: each("jitterBufferDelay", "jitterBufferEmittedCount"),
    decode: each("totalDecodeTime", "framesDecoded"),
    roundTrip: now.pair?.currentRoundTripTime ?? null,
    lost: video.packetsLost ?? null,
    lossNow: received + lost > 0 ? Math.max(0, lost) / (received + lost) : null,
    dropped: video.framesDropped ?? null,
    freezes: video.freezeCount ?? null,
    decoder:
      video.decoderImplementation && video.decoderImplementation !== "unknown" ? video.decoderImplementation : null,
    hardware: video.powerEfficientDecoder ?? null,
    codec: codecName(now.codec?.mimeType?.split("/")[1].toLowerCase()),
  };
}

// Delay from arrival in this browser to the screen, or from capture where the host's clock is known; in seconds.
export function delay(f, frames) {
  if (Number.isFinite(frames.glass)) return { value: frames.glass, note: "from capture to screen" };
  const path = (f.roundTrip ?? 0) / 2;
  if (Number.isFinite(frames.shown))
    return { value: frames.shown + path, note: "network and browser, without encoding" };
  if (Number.isFinite(f.buffer))
    return { value: f.buffer + (f.decode ?? 0) + path, note: "network and browser, without encoding" };
  return { value: null, note: "not known yet" };
}

const CELLS = [
  ["fps", "Frames/s", "Frames decoded a second"],
  ["size", "Resolution", "Size of the decoded picture"],
  ["bitrate", "Bitrate", "Video received, without headers"],
  ["latency", "Latency", ""],
  ["buffer", "Jitter buffer", "How long a frame waits to even out the network, mean of the last second"],
  ["roundTrip", "Round trip", "To the host and back, measured by ICE"],
  ["lost", "Packets lost", "Since this session began; in brackets the last second"],
  ["decoder", "Decoder", "What decodes in this browser"],
];

export class StatsPanel {
  #values = new Map();

  constructor() {
    this.element = h("dl.stats", { "aria-label": "Statistics of this player" });
    for (const [key, label, title] of CELLS) {
      const value = h("dd", {}, UNKNOWN);
      const cell = h(`div.stat.stat-${key}`, { title }, h("dt", {}, label), value);
      this.#values.set(key, { value, cell });
      this.element.append(cell);
    }
  }

  show(f, frames) {
    const latency = delay(f, frames);
    const loss = f.lossNow > 0 ? ` (${(f.lossNow * 100).toFixed(1)} %)` : "";
    const texts = {
      fps: Number.isFinite(f.fps) ? f.fps.toFixed(1) : UNKNOWN,
      size: f.width ? `${f.width} × ${f.height}` : UNKNOWN,
      bitrate: bitrate(f.bitrate ?? NaN),
      latency: milliseconds(latency.value ?? NaN),
      buffer: milliseconds(f.buffer ?? NaN),
      roundTrip: milliseconds(f.roundTrip ?? NaN),
      lost: Number.isFinite(f.lost) ? `${Math.max(0, f.lost).toLocaleString()}${loss}` : UNKNOWN,
      decoder: [f.codec, f.decoder].filter(Boolean).join(" · ") || UNKNOWN,
    };
    for (const [key, text] of Object.entries(texts)) setText(this.#values.get(key).value, text);
    this.#values.get("lost").cell.classList.toggle("warn", f.lossNow > 0.01);
    setAttr(this.#values.get("latency").cell, "title", `Latency: ${latency.note}`);
    const how = f.hardware === null || f.hardware === undefined ? "" : f.hardware ? ", in hardware" : ", in software";
    setAttr(this.#values.get("decoder").cell, "title", `What decodes in this browser${how}: ${texts.decoder}`);
  }

  reset() {
    for (const { value, cell } of this.#values.values()) {
      setText(value, UNKNOWN);
      cell.classList.remove("warn");
    }
  }
}
