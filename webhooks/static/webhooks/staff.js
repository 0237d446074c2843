/* Buttons of the staff site: copy, show, wait, ask. One listener, no inline script. */
(() => {
  "use strict";

  /* For who listens to a page: Unfold's icons are words of a font, and some of its
     fields and links have only a picture or a placeholder for a name. */
  const ICON = ".material-symbols-outlined";
  const UNNAMED = "a[href]:not([aria-label]), button:not([aria-label]),"
    + " input:not([aria-label]):not([type=hidden])";

  const words = (element) => {
    const copy = element.cloneNode(true);
    for (const icon of copy.querySelectorAll(ICON)) icon.remove();
    return copy.textContent.trim();
  };
  const hasName = (element) => words(element) || element.title
    || element.labels?.length || element.hasAttribute("aria-labelledby");
  const nameFor = (element) => element.placeholder
    || element.querySelector("[title]")?.title
    || element.closest("[data-label]")?.dataset.label
    || element.parentElement.querySelector("input[placeholder]")?.placeholder
    || (element.getAttribute("href") === "/admin/" ? "MailBelly" : "");

  /* Unfold opens and closes the menu by icons that no key reaches. */
  const reachable = (icon) => {
    icon.setAttribute("role", "button");
    icon.setAttribute("aria-label", "Menu");
    icon.tabIndex = 0;
    icon.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      icon.click();
    });
  };

  const speak = () => {
    for (const cell of document.querySelectorAll("[data-label]")) {
      const label = cell.dataset.label;
      cell.dataset.label = label.charAt(0).toUpperCase() + label.slice(1);
    }
    for (const icon of document.querySelectorAll(ICON)) {
      if (!icon.hasAttribute("aria-label")) icon.setAttribute("aria-hidden", "true");
    }
    for (const element of document.querySelectorAll(UNNAMED)) {
      const name = hasName(element) ? "" : nameFor(element);
      if (name) element.setAttribute("aria-label", name);
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(`${ICON}[x-on\\:click*=sidebar]`).forEach(reachable);
    speak();
  });
  // The calendars of dates are made once all is loaded.
  window.addEventListener("load", () => window.setTimeout(speak, 0));

  /* What a page need not wait for. Until it is there, and when it can't be had, the
     place holds a link to the page that has it. */
  const load = async (place) => {
    const answer = await fetch(place.dataset.load, { credentials: "same-origin" });
    if (answer.ok && !answer.redirected) place.innerHTML = await answer.text();
  };
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-load]").forEach(load);
  });

  /* What is shown once: to load the page again must not make another. */
  document.addEventListener("DOMContentLoaded", () => {
    const shown = document.querySelector("[data-once]");
    if (shown) history.replaceState(null, "", shown.dataset.once);
  });

  const write = async (text) => {
    if (window.isSecureContext && navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return;
    }
    // Plain http on the office network: the clipboard's old door.
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "staff-offscreen";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };

  const say = (button, word) => {
    if (!word) return;
    const label = button.querySelector("[data-label]") || button;
    const before = label.textContent;
    label.textContent = word;
    window.setTimeout(() => { label.textContent = before; }, 2000);
  };

  /* The secret leaves the server only by this POST; each one is in the history. */
  const fetched = async (form) => {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new FormData(form),
      credentials: "same-origin",
      headers: { Accept: "application/json" },
    });
    if (!answer.ok) throw new Error(String(answer.status));
    return (await answer.json()).secret;
  };

  const secret = async (button) => {
    const form = button.closest("form");
    const shown = document.querySelector(form.dataset.secret);
    const failed = shown.dataset.failed;
    try {
      if (button.value === "hide") {
        shown.textContent = shown.dataset.hidden;
        form.classList.remove("is-shown");
        return;
      }
      const value = await fetched(form);
      if (button.value === "copy") {
        await write(value);
        say(button, button.dataset.done);
      } else {
        shown.textContent = value;
        form.classList.add("is-shown");
      }
    } catch {
      shown.textContent = failed;
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.closest("form[data-secret]")) {
      event.preventDefault();
      await secret(button);
    } else if (button.dataset.copy) {
      event.preventDefault();
      await write(document.querySelector(button.dataset.copy).textContent.trim());
      say(button, button.dataset.done);
    }
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
      event.preventDefault();
      return;
    }
    const button = event.submitter;
    if (form.dataset.busy && button) {
      button.textContent = form.dataset.busy;
      // After the form has been read: a disabled button is not sent.
      window.setTimeout(() => { button.disabled = true; }, 0);
    }
  });
})();
