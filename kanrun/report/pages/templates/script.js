"use strict";
for (const button of document.querySelectorAll(".copy")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "copied";
  });
}

// Points of the front and rows of its table show each other.
for (const table of document.querySelectorAll("table.front")) {
  const told = document.querySelector(".pointed");
  for (const row of table.querySelectorAll("tbody tr")) {
    const formula = row.lastElementChild.textContent;
    const point = document.getElementById(`front-front-${table.dataset.output}-${row.dataset.point}`);
    if (!point) continue;
    const light = (on) => () => {
      point.classList.toggle("lit", on);
      row.classList.toggle("lit", on);
      if (told && on) told.textContent = formula;
    };
    point.classList.add("point");
    point.setAttribute("tabindex", "0");
    point.setAttribute("role", "img");
    point.setAttribute("aria-label", formula);
    point.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "title")).textContent = formula;
    for (const [one, begin, end] of [[point, "focus", "blur"], [point, "mouseenter", "mouseleave"], [row, "mouseenter", "mouseleave"]]) {
      one.addEventListener(begin, light(true));
      one.addEventListener(end, light(false));
    }
  }
}
