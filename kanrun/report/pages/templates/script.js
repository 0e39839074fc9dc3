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

// The jobs of a sweep: sorted by any column, found by a text, a hundred at a time.
const data = document.getElementById("cells");
if (data) {
  const all = JSON.parse(data.textContent), table = document.querySelector("table.jobs"), body = table.tBodies[0];
  const tools = document.querySelector(".tools"), page = 100, state = Number(table.dataset.state);
  const address = (job) => `${job.split("/").map(encodeURIComponent).join("/")}/report.html`;
  let rows = all, start = 0, column = -1, down = false;
  const show = () => {
    body.replaceChildren(...rows.slice(start, start + page).map((cells) => {
      const row = document.createElement("tr");
      cells.forEach((cell, place) => {
        const one = row.insertCell();
        if (place === 0 && cells[state] !== "running") { // which has no page yet
          const link = one.appendChild(document.createElement("a"));
          link.href = address(String(cell));
          link.textContent = cell;
        } else one.textContent = cell ?? "";
        if (place === cells.length - 1) one.className = "left text";
      });
      return row;
    }));
    tools.querySelector(".where").textContent = rows.length ? `${start + 1} to ${Math.min(start + page, rows.length)} of ${rows.length}` : "none";
    tools.querySelector(".back").disabled = start === 0;
    tools.querySelector(".on").disabled = start + page >= rows.length;
  };
  const order = () => {
    const text = tools.querySelector(".filter").value.toLowerCase();
    rows = all.filter((cells) => !text || cells.join("\u0000").toLowerCase().includes(text));
    if (column >= 0) {
      rows.sort((one, other) => {
        const a = one[column] ?? "", b = other[column] ?? "";
        if (a === "" || b === "") return (a === "") - (b === "");
        const less = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
        return down ? -less : less;
      });
    }
    start = 0;
    show();
  };
  tools.hidden = false;
  tools.querySelector(".filter").addEventListener("input", order);
  tools.querySelector(".back").addEventListener("click", () => { start -= page; show(); });
  tools.querySelector(".on").addEventListener("click", () => { start += page; show(); });
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      down = column === place && !down;
      column = place;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      order();
    });
  });
  show();
}
