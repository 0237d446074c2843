// The page of a thread works without this; with it a draft survives, and a choice is
// saved when it is made.
"use strict";
(() => {
  const page = document.querySelector(".mb-page");
  if (!page) return;
  const thread = page.dataset.thread;

  for (const form of page.querySelectorAll("form[data-draft]")) {
    const text = form.querySelector("textarea");
    const key = `draft:${thread}:${form.dataset.draft}`;
    if (page.dataset.sent === form.dataset.draft) sessionStorage.removeItem(key);
    else if (!text.value) text.value = sessionStorage.getItem(key) || "";
    text.addEventListener("input", () => sessionStorage.setItem(key, text.value));
    form.addEventListener("submit", (event) => {
      if (form.dataset.going) event.preventDefault();
      form.dataset.going = "1";
    });
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        form.querySelector("button").click();
      }
    });
  }
  for (const input of page.querySelectorAll("input[data-files]")) {
    const list = page.querySelector(input.dataset.files);
    const sizes = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
    const megabytes = (bytes) => `${sizes.format(Math.max(bytes / 1e6, 0.1))} MB`;
    const shown = () => {
      const files = [...input.files];
      const lines = files.map((file) => `${file.name} · ${megabytes(file.size)}`);
      const total = files.reduce((sum, file) => sum + file.size, 0);
      input.setCustomValidity(total > input.dataset.most ? input.dataset.tooMuch : "");
      if (input.validationMessage) lines.push(input.validationMessage);
      list.replaceChildren(...lines.map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }));
      list.classList.toggle("mb-danger", Boolean(input.validationMessage));
    };
    // On the way down: Unfold's own listener looks for a text field of its widget.
    input.parentNode.addEventListener("change", (event) => {
      event.stopPropagation();
      shown();
    }, true);
    shown();
  }
  // A page out of the browser's store may be sent from again.
  window.addEventListener("pageshow", () => {
    for (const form of page.querySelectorAll("form[data-going]")) delete form.dataset.going;
  });
  // Reloading a page that said "sent" must not throw away a newer draft.
  if (page.dataset.sent) {
    const here = new URL(location);
    here.searchParams.delete("sent");
    history.replaceState(null, "", here);
  }

  for (const choice of page.querySelectorAll("select[data-submit]")) {
    choice.form.querySelector("button").hidden = true;
    choice.addEventListener("change", () => choice.form.requestSubmit());
  }
  const named = location.hash.startsWith("#m-") && document.getElementById(location.hash.slice(1));
  if (named instanceof HTMLDetailsElement) named.open = true;
})();
