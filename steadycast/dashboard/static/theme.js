// Light or dark: the system's choice until a person chooses. A classic script in the head, so that a saved choice is in
// place before the first paint.
(() => {
  const KEY = "steadycast.theme";
  const CHOICES = ["system", "light", "dark"];
  const LABELS = { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };

  function saved() {
    try {
      const choice = localStorage.getItem(KEY);
      return CHOICES.includes(choice) ? choice : "system";
    } catch {
      return "system"; // storage is off in this browser
    }
  }

  function apply(choice) {
    if (choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    const button = document.getElementById("theme");
    if (!button) return;
    button.dataset.choice = choice;
    button.title = LABELS[choice];
    button.setAttribute("aria-label", `${LABELS[choice]}. Change`);
  }

  apply(saved());
  document.addEventListener("DOMContentLoaded", () => {
    apply(saved());
    document.getElementById("theme").addEventListener("click", () => {
      const next = CHOICES[(CHOICES.indexOf(saved()) + 1) % CHOICES.length];
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // storage is off: the choice lasts until reload
      }
      apply(next);
    });
  });
})();
