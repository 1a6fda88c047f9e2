// One device: what is lent of it, who else uses it, what it cannot do and why, and trying it again.
import * as api from "./api.js";
import { add, clear, h, setAttr, setText, show } from "./dom.js";
import {
  breakerLook,
  denialText,
  deviceLook,
  gigabytes,
  isDenial,
  megapixels,
  percent,
  sessionText,
  sessions,
} from "./encoders.js";
import { codecName, soon } from "./format.js";
import { Gauge } from "./gauge.js";
import { icon } from "./icons.js";
import { moment, setMoment } from "./moment.js";
import { LookChip } from "./status.js";
import { toast } from "./toast.js";

const LISTED = 16; // foreign sessions and codecs of one card

// A label with what belongs to it; hidden while there is nothing.
class Fact {
  #shown = null;

  constructor(label) {
    this.value = h("dd");
    this.element = h("div.fact", {}, h("dt", {}, label), this.value);
  }

  // `children`: texts and elements, made anew only when `key` changes.
  set(key, make) {
    show(this.element, Boolean(key));
    if (key === this.#shown) return;
    this.#shown = key;
    add(clear(this.value), key ? make() : []);
  }

  lines(texts) {
    this.set(texts.join("\n"), () => texts.map((text) => h("span.fact-line", {}, text)));
  }
}

export class DeviceCard {
  constructor({ device }) {
    this.id = device.id;
    this.name = h("span.strong.wrap");
    this.tags = h("span.card-tags");
    this.chip = new LookChip();
    this.idText = h("p.mono.faint.wrap");
    this.why = h("p.card-why");
    this.sessions = new Gauge("Encoder sessions");
    this.memory = new Gauge("Video memory");
    this.cpu = new Gauge("CPU for encoders");
    this.#facts();
    this.again = h("button.button", { type: "button", onclick: () => this.#retry() }, "Retry");
    this.element = h(
      "li.card",
      {},
      h("div.card-head", {}, icon("worker"), h("div.card-name", {}, this.name, this.tags), this.chip.element),
      this.idText,
      this.why,
      this.sessions.element,
      this.memory.element,
      this.cpu.element,
      h("dl.facts", {}, ...this.facts.map((fact) => fact.element)),
      this.again,
    );
  }

  #facts() {
    this.works = new Fact("Encodes");
    this.cannot = new Fact("Does not");
    this.untried = new Fact("Not tried yet");
    this.breaker = new Fact("Breaker");
    this.refusal = new Fact("Last refusal");
    this.foreign = new Fact("Other programs");
    this.load = new Fact("Busy");
    this.driver = new Fact("Driver");
    this.facts = [this.works, this.cannot, this.untried, this.breaker, this.refusal, this.foreign, this.load, this.driver];
    this.retryAt = moment();
    this.refusedAt = moment();
  }

  // `all`: every device; `cpu`: the budget of software encoders.
  update({ device, all, cpu }) {
    this.device = device;
    setAttr(this.element, "aria-label", device.name);
    setText(this.name, device.name);
    this.#drawTags(device);
    this.chip.set(deviceLook(device));
    setText(this.idText, device.id);
    setText(this.why, [device.why, device.hint].filter(Boolean).join(" "));
    show(this.why, this.why.textContent !== "");
    this.#drawGauges(device, all, cpu);
    this.#drawBeliefs(device);
    this.#drawBreaker(device);
    this.foreign.lines(device.foreign.slice(0, LISTED).map(sessionText));
    const known = device.encoder_utilisation !== null || device.gpu_utilisation !== null;
    this.load.lines(
      known ? [`encoder ${percent(device.encoder_utilisation)} · GPU ${percent(device.gpu_utilisation)}`] : [],
    );
    this.driver.lines([[device.driver, device.node].filter(Boolean).join(" · ")].filter(Boolean));
  }

  #drawTags(device) {
    const key = `${device.vendor} ${device.simulated}`;
    if (this.tags.dataset.key === key) return;
    this.tags.dataset.key = key;
    const real = h("span.tag", {}, device.vendor);
    const pretended = h("span.tag.warn", { title: "Nothing of it is real" }, "Simulated");
    add(clear(this.tags), [device.simulated ? pretended : real]);
  }

  #drawGauges(device, all, cpu) {
    const { lent, foreign, others, limit, text } = sessions(device, all);
    const parts = [
      { name: "lent", value: lent },
      { name: "foreign", value: foreign },
      { name: "others", value: others },
    ];
    this.sessions.show(device.hardware && device.state !== "none");
    this.sessions.set(parts, limit, text);
    const { vram_total: total, vram_used: used, vram_lent: reserved } = device;
    this.memory.show(total !== null);
    const lentText = !reserved ? null : `${gigabytes(reserved)} of it lent`;
    const words = [`${gigabytes(used)} of ${gigabytes(total)} used`, lentText].filter(Boolean).join(" · ");
    const ours = Math.min(reserved ?? 0, used ?? 0);
    const pieces = [
      { name: "lent", value: ours },
      { name: "foreign", value: (used ?? 0) - ours },
    ];
    this.memory.set(pieces, used === null ? null : total, words);
    this.cpu.show(!device.hardware);
    const budget = `${megapixels(cpu.lent)} of ${megapixels(cpu.pixels_per_s)} lent (${cpu.origin})`;
    this.cpu.set([{ name: "lent", value: cpu.lent }], cpu.pixels_per_s, budget);
  }

  #drawBeliefs(device) {
    const by = (state) => device.beliefs.filter((belief) => belief.state === state).slice(0, LISTED);
    const names = by("works").map(({ codec, element }) => [codecName(codec), element].filter(Boolean).join(": "));
    this.works.lines(names.length ? [names.join(", ")] : []);
    const failing = by("fails").map(({ codec, why }) => `${codecName(codec)}: ${why ?? "why is not known"}`);
    const later = [...by("untried"), ...by("trying")].map(({ codec }) => codecName(codec));
    this.cannot.lines(failing);
    this.untried.lines(later.length ? [later.join(", ")] : []);
  }

  #drawBreaker(device) {
    const { state, why, failures, retry_at: at } = device.breaker;
    const calm = state === "closed" && !failures;
    const trouble = failures ? ` · ${failures} failures lately` : "";
    this.breaker.set((device.hardware && device.state !== "none") || !calm ? `${state}\n${why}\n${failures}\n${at !== null}` : "", () => [
      h("span.fact-line", { "data-tone": breakerLook(state).tone }, `${breakerLook(state).word}${trouble}`),
      why ? h("span.fact-line.faint", {}, why) : null,
      at === null ? null : h("span.fact-line.faint", {}, "Tried again ", this.retryAt),
    ]);
    setMoment(this.retryAt, at, soon);
    const refusal = device.last_refusal;
    this.refusal.set(refusal ? `${refusal.code}\n${refusal.what}` : "", () => [
      h("span.fact-line", {}, refusal.what),
      h("span.fact-line.faint", {}, isDenial(refusal.code) ? `${denialText(refusal.code)} · ` : "", this.refusedAt),
      h("span.mono.faint", {}, refusal.code),
    ]);
    setMoment(this.refusedAt, refusal?.at ?? null);
    const latched = state === "latched";
    show(this.again, latched || state === "open" || device.beliefs.some((belief) => belief.state === "fails"));
    this.again.classList.toggle("primary", latched);
    setAttr(this.again, "aria-label", `Retry ${device.name}`);
    setAttr(this.again, "title", "Resets the breaker and finds out by new trials what this device encodes");
  }

  async #retry() {
    this.again.disabled = true;
    try {
      await api.retryDevice(this.id);
      toast(`${this.device.name} is tried again`, null, "good");
    } catch (problem) {
      toast(problem.message, [problem.why, problem.hint].filter(Boolean).join(" "), "bad");
    } finally {
      this.again.disabled = false;
    }
  }
}
