"use strict";
// Pieces of the page. Whatever comes from the project goes through textContent: it is never markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const COLORS = ["var(--c0)", "var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)", "var(--c7)"];

function make(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

function section(name) {
  const found = document.getElementById(name);
  found.hidden = false;
  return found;
}

function card(title, ...children) {
  return make("div", { class: "card" }, title ? make("h3", {}, title) : null, ...children);
}

// columns: [{head, cell(row) -> text or node, n: numeric, wrap}]
function table(columns, rows, options = {}) {
  const side = (column) => (column.n ? "n" : column.wrap ? "wrap" : "");
  const head = make("tr", {}, ...columns.map((column) => make("th", { class: side(column), title: column.title, scope: "col" }, column.head)));
  const body = make("tbody");
  for (const row of rows) {
    const line = make("tr", {}, ...columns.map((column) => make("td", { class: side(column) }, column.cell(row) ?? "–")));
    if (options.go) {
      line.className = "go";
      line.tabIndex = 0;
      if (options.id) line.dataset.id = options.id(row);
      line.addEventListener("click", () => options.go(row));
      line.addEventListener("keydown", (event) => { if (event.key === "Enter") options.go(row); });
    }
    body.append(line);
  }
  return make("div", { class: `card scroll${options.tall ? " tall" : ""}` }, make("table", {}, make("thead", {}, head), body));
}

function tile(value, unit, text) {
  return make("div", { class: "tile" }, make("b", {}, value, unit ? make("small", {}, ` ${unit}`) : null), make("span", {}, text));
}

function switcher(choices, chosen, on) {
  const buttons = choices.map(([value, text]) =>
    make("button", { type: "button", "aria-pressed": String(value === chosen), onclick: () => {
      for (const [k, button] of buttons.entries()) button.setAttribute("aria-pressed", String(choices[k][0] === value));
      on(value);
    } }, text));
  return make("span", { class: "switch" }, ...buttons);
}

function facts(pairs) {
  const list = make("dl", { class: "facts" });
  for (const [name, value] of pairs)
    if (value !== null && value !== undefined && value !== "") list.append(make("dt", {}, name), make("dd", {}, value));
  return list;
}

function short(digest) { return digest ? make("span", { class: "id", title: digest }, digest.slice(0, 8)) : null; }

function tag(text, bad) { return make("span", { class: bad ? "tag bad" : "tag" }, text); }

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 600) return `${number(seconds)} s`;
  return seconds < 36000 ? `${number(seconds / 60)} min` : `${number(seconds / 3600)} h`;
}

function words(count, one, many) { return `${count.toLocaleString("en-US")} ${count === 1 ? one : many || one + "s"}`; }

function plain(name) { return name.replaceAll("_", " "); }
