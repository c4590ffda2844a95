"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const pool = read("pool");
  const charts = read("charts");

  const rows = (place) =>
    pool[place].rows.map((row) => Object.fromEntries(pool[place].names.map((name, at) => [name, row[at]])));

  // To a screen reader, the drawing is the image, and the menu beside it a separate button.
  const named = (host, live) => {
    const name = host.getAttribute("aria-label");
    host.removeAttribute("role");
    host.removeAttribute("aria-label");
    const drawn = live.querySelector("svg.marks, .marks");
    drawn?.setAttribute("role", "img");
    drawn?.setAttribute("aria-label", name);
    live.querySelector("summary")?.setAttribute("aria-label", `Save ${name}`);
  };

  const draw = (host) => {
    if (host.dataset.drawn) return;
    host.dataset.drawn = "yes";
    const chart = charts[host.dataset.chart];
    const specification = structuredClone(chart.specification);
    specification.datasets = Object.fromEntries(
      Object.entries(chart.datasets).map(([name, place]) => [name, rows(place)]),
    );
    fitChart(specification, host.clientWidth);
    const actions = { export: true, source: false, compiled: false, editor: false };
    const live = host.appendChild(document.createElement("div"));
    live.className = "waiting";
    window
      .vegaEmbed(live, specification, { mode: "vega-lite", renderer: "svg", actions, downloadFileName: host.dataset.chart })
      .then(() => {
        host.querySelector("img").remove();
        live.classList.remove("waiting");
        named(host, live);
      })
      .catch(() => live.remove()); // the picture stays
  };

  const hosts = [...document.querySelectorAll("[data-chart]")];
  const seen = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      seen.unobserve(entry.target);
      draw(entry.target);
    }),
    { rootMargin: "800px" },
  );
  hosts.forEach((host) => seen.observe(host));

  // Charts far down the page are drawn when idle, so that they are ready for printing.
  const idle = window.requestIdleCallback || ((then) => setTimeout(then, 50));
  const rest = () => {
    const host = hosts.find((one) => !one.dataset.drawn);
    if (host) { draw(host); idle(rest); }
  };
  window.addEventListener("load", () => idle(rest));
})();
