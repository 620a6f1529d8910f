// Draws every chart on the page. Where drawing fails, the chart's place says so.
(function () {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const options = {
    actions: false,
    // Interpret expressions: the page's policy forbids turning text into code.
    ast: true,
    config: charts.config,
    defaultStyle: false,
    mode: "vega-lite",
    renderer: "svg",
    tooltip: { disableDefaultStyle: true },
  };
  function draw(box) {
    // The box describes the chart; the drawing would only repeat its parts to a screen reader.
    const inner = document.createElement("div");
    inner.setAttribute("aria-hidden", "true");
    inner.style.width = "100%";
    box.append(inner);
    return window.vegaEmbed(inner, charts.specs[box.id], options).catch(function (error) {
      box.textContent = "This chart could not be drawn (" + error.message + "). The table shows the same figures.";
      throw error;
    });
  }
  Promise.all(Array.from(document.querySelectorAll(".chart"), draw)).then(function (drawn) {
    document.body.dataset.charts = String(drawn.length);
  });
  let opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach(function (details) { details.open = true; });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (details) { details.open = false; });
  });
})();
