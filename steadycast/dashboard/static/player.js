// Plays one lobby over WHEP and keeps it playing: a session that ends is followed by a new one, with bounded back-off.
import { isDenial, softwareText, waitingFor } from "./encoders.js";
import { isEnding, stateLook, staysDown } from "./format.js";
import { ATTEMPTS, backoff, isFinal, judge, refusal } from "./recovery.js";
import { Screen } from "./screen.js";
import { figures, packets, snapshot } from "./stats.js";
import { WhepSession } from "./whep.js";

const TICK_MS = 200;
const FIGURES_S = 0.95; // between two readings of the figures, with room for a late tick
const KICKED = "kicked"; // the reason when a person wanted this viewer gone: no new session by itself

const now = () => performance.now() / 1000;

export class Player {
  #store;
  #lobby = null; // id
  #rendition = null;
  #session = null;
  #stats = null; // {opened, count, heard, snap, shownAt} of the session
  #attempt = 0;
  #retry = null;
  #countdown = null; // while a refusal counts the seconds
  #ticker = null;
  #ticking = false;
  #gone = null; // why the host ended the session
  #lost = null; // why the last session is over

  constructor(store) {
    this.#store = store;
    this.screen = new Screen({
      toggle: () => (this.#running() ? this.stop() : this.play()),
      again: () => this.play(),
      rendition: (name) => this.#choose(name),
    });
    store.onEvent((event) => this.#event(event));
    addEventListener("pagehide", () => this.#end());
    addEventListener("pageshow", (event) => event.persisted && this.#lobby && this.play());
    this.stop();
  }

  get viewer() {
    return this.#session?.viewer ?? null;
  }

  get playing() {
    return this.screen.tone === "play";
  }

  // Shows this lobby; null leaves the one that is shown.
  watch(id) {
    if (id === this.#lobby) return;
    this.#end();
    this.screen.blank();
    this.#lobby = id;
    this.#rendition = null;
    if (id) this.play();
  }

  play() {
    if (!this.#lobby) return;
    this.#attempt = 0;
    this.#lost = null;
    this.#open();
  }

  stop(text = { title: "Stopped" }) {
    this.#end();
    this.screen.blank();
    this.screen.say({ tone: "off", ...text });
  }

  // What changed in the lobby: its renditions, or why there is no picture.
  draw(lobby) {
    this.screen.offer(
      lobby.renditions.map((rendition) => rendition.name),
      this.#rendition,
    );
    if (this.#session && !this.#stats) this.#sayConnecting(); // its place in the line may have changed
    if (this.#stats) this.screen.caution.set(softwareText(this.#watched(lobby) ?? {}));
    if (!isEnding(lobby.state) || !this.#running()) return;
    this.#gone = "The lobby ends.";
    this.stop({ title: `This lobby is ${stateLook(lobby.state).word.toLowerCase()}` });
  }

  // The rendition that is seen: what the host says, else what was chosen, else the first that runs.
  #watched(lobby) {
    const name = this.#store.viewers.get(this.viewer)?.rendition ?? this.#rendition;
    const running = lobby?.renditions.filter((rendition) => rendition.running) ?? [];
    return running.find((rendition) => rendition.name === name) ?? running[0] ?? null;
  }

  #running() {
    return this.#session !== null || this.#retry !== null;
  }

  #choose(name) {
    this.#rendition = name;
    if (this.#running()) this.play();
  }

  #end() {
    clearTimeout(this.#retry);
    clearInterval(this.#ticker);
    clearInterval(this.#countdown);
    this.#session?.close({ tell: !this.#gone });
    this.screen.caution.set("");
    this.#retry = this.#ticker = this.#countdown = this.#session = this.#stats = this.#gone = null;
  }

  async #open() {
    this.#end();
    const session = new WhepSession((state) => this.#connection(session, state));
    this.#session = session;
    this.#sayConnecting();
    const { whep } = this.#store.lobbies.get(this.#lobby) ?? { whep: `/whep/${encodeURIComponent(this.#lobby)}` };
    try {
      await session.open(whep, this.#rendition);
    } catch (problem) {
      if (this.#session === session) this.#failed(problem);
      return;
    }
    if (this.#session !== session) return;
    this.#stats = { opened: now(), count: 0, heard: null, snap: null, shownAt: 0 };
    this.#ticker = setInterval(() => this.#tick(session), TICK_MS);
  }

  #connection(session, state) {
    if (this.#session !== session) return;
    if (state === "connected") this.screen.play(session.stream);
    this.#tick(session);
  }

  async #tick(session) {
    if (this.#ticking || !this.#stats) return;
    this.#ticking = true;
    try {
      const snap = snapshot(await session.pc.getStats());
      if (this.#session === session) this.#read(session, snap);
    } finally {
      this.#ticking = false;
    }
  }

  #read(session, snap) {
    const stats = this.#stats;
    const moment = now();
    const count = packets(snap);
    if (count > stats.count) {
      stats.count = count;
      stats.heard = moment;
    }
    const verdict = judge(this.#facts(session, snap, moment));
    if (verdict.act === "renew") return this.#again(verdict.why);
    if (verdict.act === "wait") this.#sayWaiting(verdict.why);
    else if (snap.video?.framesDecoded > 0) this.#sayPlaying();
    if (moment - stats.shownAt >= FIGURES_S) {
      this.screen.stats.show(figures(stats.snap, snap), this.screen.delays());
      stats.snap = snap;
      stats.shownAt = moment;
    }
    return undefined;
  }

  #facts(session, snap, moment) {
    const lobby = this.#store.lobbies.get(this.#lobby);
    const track = this.#watched(lobby)?.track;
    return {
      state: session.pc.connectionState,
      sinceOpen: moment - this.#stats.opened,
      silent: this.#stats.heard === null ? null : moment - this.#stats.heard,
      fps: track?.fps ?? null,
      lobby: lobby?.state ?? null,
      lobbyFor: lobby ? Date.now() / 1000 - lobby.since : 0,
      hostConnected: this.#store.connected,
      gone: this.#gone,
    };
  }

  #event(event) {
    if (event.lobby !== this.#lobby) return;
    if (event.name === "viewer.gone" && event.viewer === this.viewer && this.#session) this.#removed(event);
    // The lobby is back: no reason to wait for the end of a pause, and a given-up player may try again.
    if (["lobby.STREAMING", "lobby.adopted"].includes(event.name) && this.#retry) {
      this.#attempt = 0;
      this.#open();
    }
  }

  #removed(event) {
    this.#gone = `The host ended this viewer${event.why ? `: ${event.why}` : "."}`;
    if (event.why === KICKED) this.stop({ title: "This viewer was ended", why: "Somebody removed it." });
  }

  // The session is over, another begins at once; only if that fails too, pauses begin.
  #again(why) {
    this.#lost = why;
    this.#end();
    this.#next({ title: "Connecting again", why }, null);
  }

  #failed(problem) {
    const text = {
      title: problem.message || "The player cannot connect",
      why: problem.why ?? "",
      hint: problem.hint ?? "",
    };
    this.#end();
    if (isDenial(problem.code)) this.#refused(problem, text);
    else if (isFinal(problem)) this.screen.say({ tone: "bad", ...text });
    else this.#next(text, problem.retryAfter);
  }

  // The host has no encoder for this now. Somebody may try again as soon as the host allows; the player does so by
  // itself a little later, so that a crowd that was refused does not come back all at once.
  #refused(problem, text) {
    const began = now();
    const { ready, itself } = refusal(this.#attempt, problem.retryAfter, Math.random());
    const last = itself === null || this.#attempt >= ATTEMPTS;
    this.#attempt += 1;
    const say = () => {
      const left = (until) => Math.ceil(until - (now() - began));
      const wait = left(ready);
      this.screen.say({
        tone: last ? "bad" : "wait",
        ...text,
        code: problem.code,
        badge: last ? "" : `by itself in ${Math.max(0, left(itself))} s`,
        again: { text: wait > 0 ? `Try again in ${wait} s` : "Try again", ready: wait <= 0 },
      });
    };
    say();
    this.#countdown = setInterval(say, 1000);
    if (!last) this.#retry = setTimeout(() => this.#open(), itself * 1000);
  }

  #next(text, retryAfter) {
    if (this.#attempt >= ATTEMPTS) {
      this.screen.say({
        tone: "bad",
        ...text,
        hint: text.hint || "Gave up after many attempts. Press Play to try again.",
      });
      return;
    }
    const wait = backoff(this.#attempt, retryAfter);
    this.#attempt += 1;
    this.screen.say({ tone: "wait", ...text, badge: wait >= 1 ? `next try in ${Math.round(wait)} s` : "" });
    this.#retry = setTimeout(() => this.#open(), wait * 1000);
  }

  #sayConnecting() {
    const lobby = this.#store.lobbies.get(this.#lobby);
    const trouble = lobby && lobby.state !== "STREAMING" ? lobby : null;
    const place = waitingFor(this.#store.gpu, this.#lobby, this.#rendition);
    if (place) {
      this.screen.say({ tone: "busy", title: `Waiting for an encoder: place ${place.position}`, why: place.why });
      return;
    }
    const title = this.#lost ? "Connecting again" : "Connecting";
    this.screen.say({ tone: "busy", title, why: trouble?.why ?? this.#lost ?? "" });
  }

  #sayPlaying() {
    this.#attempt = 0;
    this.#lost = null;
    this.screen.say({ tone: "play", badge: "live" });
  }

  #sayWaiting(why) {
    const lobby = this.#store.lobbies.get(this.#lobby);
    const title = lobby && lobby.state !== "STREAMING" ? stateLook(lobby.state).word : "Waiting for the picture";
    this.screen.say({ tone: "wait", title, why: lobby?.why ?? why, still: staysDown(lobby) });
  }
}
