// One WHEP session (RFC 9725's sister, draft-ietf-wish-whep): an offer, an answer, an end. It makes no decisions.
import { authorization, call } from "./api.js";

const GATHER_MS = 300; // host candidates are there at once; a slow STUN server must not delay the picture
const OFFER_MS = 20_000;
const LEAVE_MS = 3000;

let servers = null; // ICE servers, asked for once a page

// `<stun:host:3478>; rel="ice-server"; username="u"; credential="c"`, several with commas between.
export function iceServers(link) {
  const found = [];
  for (const [, url, parameters] of (link ?? "").matchAll(
    /<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:\\.|[^"\\])*"|[^;,]*))*)/g,
  )) {
    const of = {};
    for (const [, name, quoted, bare] of parameters.matchAll(/([\w-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^;,]*))/g)) {
      of[name] = quoted === undefined ? bare.trim() : quoted.replaceAll(/\\(.)/g, "$1");
    }
    if (of.rel !== "ice-server") continue;
    found.push(of.username ? { urls: url, username: of.username, credential: of.credential } : { urls: url });
  }
  return found;
}

async function askIceServers(path) {
  if (servers) return servers;
  try {
    const response = await call(path, { method: "OPTIONS", deadline: 3000 });
    servers = iceServers(response.headers.get("Link"));
  } catch (problem) {
    if (problem.status === 401) throw problem;
    return []; // host candidates do without; the offer itself will say what is wrong
  }
  return servers;
}

export class WhepSession {
  viewer = null; // id of this viewer at the host
  stream = new MediaStream();
  #location = null;
  #closed = false;
  #asking = new AbortController();

  // `onstate(connectionState)` until closed.
  constructor(onstate) {
    this.onstate = onstate;
    this.pc = null;
  }

  // Resolves when the answer is in place (not yet connected). Raises Problem, or AbortError after close().
  async open(path, rendition) {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: await askIceServers(path) });
    this.pc = pc;
    if (this.#closed) return this.close();
    pc.addTransceiver("video", { direction: "recvonly" });
    pc.addTransceiver("audio", { direction: "recvonly" });
    pc.ontrack = ({ track }) => this.stream.addTrack(track);
    pc.onconnectionstatechange = () => this.#closed || this.onstate(pc.connectionState);
    await pc.setLocalDescription();
    await gathered(pc);
    const query = rendition ? `?${new URLSearchParams({ rendition })}` : "";
    const response = await call(path + query, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Accept: "application/sdp" },
      body: pc.localDescription.sdp,
      deadline: OFFER_MS,
      signal: this.#asking.signal,
    });
    const location = response.headers.get("Location");
    this.#location = location ? new URL(location, response.url) : null;
    this.viewer = this.#location?.pathname.split("/").pop() ?? null;
    if (this.#closed) return this.close();
    await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
    return undefined;
  }

  // Ends it here and, unless the host ended it first (`tell`), at the host. Safe to call twice, and while open() runs.
  // Works while the page is going away.
  close({ tell = true } = {}) {
    this.#closed = true;
    this.#asking.abort(); // an offer that is not answered yet: the host ends its viewer when the line is cut
    const resource = this.#location;
    this.#location = null;
    if (!tell || resource?.origin !== location.origin) return this.pc?.close();
    // The connection is closed last: its end tells the host as well, and the request would find no such viewer.
    const signal = AbortSignal.timeout(LEAVE_MS);
    fetch(resource, { method: "DELETE", headers: authorization(), keepalive: true, signal })
      .catch(() => undefined) // the host is away: it sees the end of the connection, or its silence
      .finally(() => this.pc.close());
    return undefined;
  }
}

function gathered(pc) {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_MS);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}
