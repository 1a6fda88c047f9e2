// The small form that asks for the token, where the host wants one. The token stays in this tab only.
import { setToken } from "./api.js";
import { h, setText, show } from "./dom.js";
import { textField } from "./fields.js";

export class Login {
  // `entered()` after a token was given.
  constructor(entered) {
    this.field = textField("token", "Token", { help: "Kept in this tab until it is closed." });
    this.field.control.type = "password";
    this.field.control.autocomplete = "current-password";
    const form = h(
      "form",
      { onsubmit: (event) => this.#send(event) },
      h("h2", {}, "This host wants a token"),
      this.field.element,
      h("div.form-actions", {}, h("button.button.primary", { type: "submit" }, "Enter")),
    );
    this.element = h("dialog.login", { "aria-label": "Access", oncancel: (event) => event.preventDefault() }, form);
    this.entered = entered;
    this.tried = false;
  }

  ask(problem) {
    if (!this.element.isConnected) document.body.append(this.element);
    if (this.element.open) return;
    setText(this.field.error, this.tried ? [problem.message, problem.why].filter(Boolean).join(" ") : "");
    show(this.field.error, this.tried);
    this.element.showModal();
    this.field.control.focus();
  }

  #send(event) {
    event.preventDefault();
    const value = this.field.control.value.trim();
    if (!value) return this.field.say("Enter the token that the config of this host holds.");
    this.tried = true;
    this.field.control.value = "";
    setToken(value);
    this.element.close();
    return this.entered();
  }
}
