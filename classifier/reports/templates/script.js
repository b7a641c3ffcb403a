"use strict";
(() => {
  const form = document.getElementById("filters");
  if (form) {
    const find = document.getElementById("find");
    const selects = [...form.querySelectorAll("[data-filter]")];
    const found = document.getElementById("found");
    const nothing = document.getElementById("nothing");
    const cards = [...document.querySelectorAll("#cards > .card")].map((node) => ({
      node,
      words: (node.dataset.id + " " + node.querySelector(".text").textContent).toLowerCase(),
    }));
    const fits = (card, wanted, name) => {
      const value = card.node.dataset[name];
      return !wanted || (name === "kind" || name === "source" ? value === wanted : value.split("|").includes(wanted));
    };
    const show = () => {
      const words = find.value.trim().toLowerCase();
      let n = 0;
      for (const card of cards) {
        const shown = card.words.includes(words) && selects.every((select) => fits(card, select.value, select.dataset.filter));
        card.node.hidden = !shown;
        n += shown;
      }
      found.textContent = n + " of " + cards.length;
      nothing.hidden = n > 0;
    };
    for (const event of ["input", "change"]) form.addEventListener(event, show);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(show));
    document.getElementById("again").addEventListener("click", () => { form.reset(); find.focus(); });
    document.addEventListener("keydown", (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); find.focus(); }
    });
  }
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);
})();
