"use strict";
// Sorts a table by the column whose heading is pressed: up, down, and back to the order of the page.
function value(row, place) {
  const cell = row.cells[place];
  const text = (cell.querySelector("[data-value]") || cell).textContent.trim();
  const number = parseFloat(text.replaceAll(",", "").replace("−", "-").replace("±", ""));
  return text === "–" || text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
}
function compare(one, other) {
  if (one === null || other === null) return one === other ? 0 : one === null ? 1 : -1;
  return typeof one === typeof other && typeof one === "number" ? one - other : String(one).localeCompare(String(other));
}
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const fixed = rows.filter((row) => row.classList.contains("summary"));
  const moved = rows.filter((row) => !row.classList.contains("summary"));
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  headings.forEach((heading, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const next = { none: "descending", descending: "ascending", ascending: "none" }[heading.getAttribute("aria-sort")];
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const order = [...moved];
      if (next !== "none") {
        order.sort((a, b) => {
          const [x, y] = [value(a, place), value(b, place)];
          return x === null || y === null ? compare(x, y) : sign * compare(x, y);
        });
      }
      body.append(...order, ...fixed);
    });
  });
}
// Opens what is folded: on request, where a link leads, and on paper.
const folded = [...document.querySelectorAll("details")];
const opener = document.getElementById("open-all");
if (opener) {
  opener.hidden = folded.length === 0;
  opener.addEventListener("click", () => {
    const open = opener.getAttribute("aria-pressed") !== "true";
    folded.forEach((one) => { one.open = open; });
    opener.setAttribute("aria-pressed", String(open));
  });
}
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const inside = target.querySelector(":scope > details:not(.table)");
  for (let one = inside || target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();
let closed = [];
addEventListener("beforeprint", () => {
  closed = folded.filter((one) => !one.open);
  closed.forEach((one) => { one.open = true; });
});
addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
