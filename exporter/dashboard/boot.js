// Draws every chart of the page; what fails is said in its place, the tables stand anyway.
(function () {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const options = {
    actions: false,
    // Expressions are interpreted: the page's policy forbids making code of text.
    ast: true,
    config: charts.config,
    defaultStyle: false,
    renderer: "svg",
    tooltip: { disableDefaultStyle: true },
  };
  function draw(box) {
    // The box says what it shows; what Vega puts into it would only name its parts.
    const inner = document.createElement("div");
    inner.setAttribute("aria-hidden", "true");
    inner.style.width = "100%";
    box.append(inner);
    return window.vegaEmbed(inner, charts.specs[box.id], options).catch(function (error) {
      box.textContent = "This chart could not be drawn (" + error.message + "). Its figures are in the table.";
      throw error;
    });
  }
  Promise.all(Array.from(document.querySelectorAll(".chart"), draw)).then(function (drawn) {
    document.body.dataset.charts = String(drawn.length);
  });
  let opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach(function (one) { one.open = true; });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (one) { one.open = false; });
  });
})();
