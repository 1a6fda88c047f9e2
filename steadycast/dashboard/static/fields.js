// One field of a form: label, control, help, and the place for what the host says is wrong with it.
import { h, newId, setAttr, setText, show } from "./dom.js";

export class Field {
  // `path` is the key in the request (`source.width`). `read` turns the text into the value; undefined leaves it out.
  constructor(path, label, control, { help = null, read = (text) => text || undefined, wide = false } = {}) {
    this.path = path;
    this.control = control;
    this.read = read;
    const id = newId("field");
    control.id = id;
    this.error = h("p.field-error", { id: `${id}-error`, hidden: true });
    const helpText = help ? h("p.field-help", { id: `${id}-help` }, help) : null;
    this.described = helpText ? `${id}-help` : "";
    setAttr(control, "aria-describedby", this.described || null);
    const check = control.type === "checkbox";
    const title = h("label", { for: id }, label);
    this.element = h(
      check ? "div.field.field-check" : "div.field",
      {},
      check ? [control, title] : [title, control],
      helpText,
      this.error,
    );
    if (wide) this.element.classList.add("wide");
    control.addEventListener("input", () => this.say(null));
  }

  get value() {
    return this.control.type === "checkbox" ? this.control.checked : this.read(this.control.value.trim());
  }

  say(problem) {
    setText(this.error, problem);
    show(this.error, Boolean(problem));
    setAttr(this.control, "aria-invalid", problem ? "true" : null);
    setAttr(
      this.control,
      "aria-describedby",
      [this.described, problem ? this.error.id : ""].filter(Boolean).join(" ") || null,
    );
  }
}

export function textField(path, label, { placeholder = "", help = null, wide = true, read, value = "" } = {}) {
  const control = h("input", { type: "text", placeholder, value, autocomplete: "off", spellcheck: "false" });
  return new Field(path, label, control, { help, wide, ...(read ? { read } : {}) });
}

// Numbers go to the host as they were typed: it knows the limits and says them. Only what is no number stays text.
export function numberField(path, label, { value = "", placeholder = "", help = null } = {}) {
  const control = h("input", { type: "text", inputmode: "numeric", value, placeholder, autocomplete: "off" });
  const read = (text) => (text === "" ? undefined : Number.isFinite(Number(text)) ? Number(text) : text);
  return new Field(path, label, control, { help, read });
}

export function choiceField(path, label, options, { help = null, wide = false } = {}) {
  const control = h(
    "select",
    {},
    options.map(([value, text]) => h("option", { value }, text)),
  );
  return new Field(path, label, control, { help, wide });
}

export function checkField(path, label, checked, { help = null } = {}) {
  return new Field(path, label, h("input", { type: "checkbox", checked }), { help, wide: true });
}

// A command line as words; quotes keep blanks together, as in a shell, and nothing else has a meaning.
export function words(text) {
  const found = [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3]);
  return found.length ? found : undefined;
}
