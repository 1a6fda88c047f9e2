// The event stream, read with fetch (EventSource cannot send a token). Connects again by itself, bounded back-off.
import { Problem, call } from "./api.js";

const SILENCE_MS = 45_000; // the host sends a comment at least every 15 s; three missed mean that the line is dead
const FIRST_BYTE_MS = 10_000;
const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];

// Parses the text/event-stream format (HTML Living Standard 9.2). Bounded: a line over 1 MiB ends the stream.
export class StreamParser {
  #rest = "";
  #data = [];
  #type = "message";

  // Text in, finished messages out: [{type, data}].
  push(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    if (this.#rest.length > 1 << 20) throw new Error("a line of the event stream is too long");
    const messages = [];
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length) messages.push({ type: this.#type, data: this.#data.join("\n") });
        this.#data = [];
        this.#type = "message";
        continue;
      }
      const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (field === "data") this.#data.push(value ?? "");
      else if (field === "event") this.#type = value ?? "";
    }
    return messages;
  }
}

// Calls `opened()` after each connection, `event(Event, gap)` for each event, `missed()` where some are lost for good,
// `lost(problem)` when the line is gone. Goes on as long as the page.
export class EventStream {
  #handlers;
  #lastId = 0; // 0 asks for everything that the host still keeps
  #attempt = 0;
  #wake = null;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  start() {
    addEventListener("online", () => this.retryNow());
    this.#run();
  }

  // Ends a pause between attempts.
  retryNow() {
    this.#wake?.();
  }

  async #run() {
    for (;;) {
      let problem = null;
      try {
        await this.#read();
      } catch (error) {
        problem = error;
      }
      const wait = BACKOFF_MS[Math.min(this.#attempt, BACKOFF_MS.length - 1)];
      this.#attempt += 1;
      this.#handlers.lost(problem instanceof Problem ? problem : null);
      await this.#pause(problem?.status === 401 ? 60_000 : wait * (0.8 + Math.random() * 0.4));
    }
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #read() {
    const line = new AbortController();
    let watchdog = setTimeout(() => line.abort(), FIRST_BYTE_MS);
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => line.abort(), SILENCE_MS);
    };
    try {
      const headers = { Accept: "text/event-stream", "Last-Event-ID": String(this.#lastId) };
      const response = await call("/api/v1/events", { headers, deadline: null, signal: line.signal });
      alive();
      this.#attempt = 0;
      this.#handlers.opened();
      await this.#messages(response.body.pipeThrough(new TextDecoderStream()).getReader(), alive);
    } finally {
      clearTimeout(watchdog);
      line.abort();
    }
  }

  async #messages(reader, alive) {
    const parser = new StreamParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      for (const message of parser.push(value)) this.#take(message);
    }
  }

  #take(message) {
    let event;
    try {
      event = JSON.parse(message.data);
    } catch {
      return undefined; // not an event of ours: a newer host may send other things
    }
    if (message.type === "missed") return this.#handlers.missed(); // more happened than the host keeps
    if (!Number.isFinite(event.id)) return undefined;
    // Ids rise by one. A jump means that events were lost, or that the host was started anew.
    const gap = this.#lastId > 0 && event.id !== this.#lastId + 1;
    this.#lastId = event.id;
    return this.#handlers.event(event, gap);
  }
}
