"use strict";
// Charts as SVG. plot(host, spec) draws, and draws again whenever the width changes.
//   spec.x, spec.y   {label, log, zero, min, max, ticks: [[value, text], ...]}
//   spec.series      [{name, color, line, r, points: [{x, y, low, high, tip, id}], links: [[i, j], ...]}]
//   spec.guides      [{y: value} | {diagonal: true}], each with an optional text
//   spec.pick        called with a point that was clicked; spec.chosen() is the id to mark
const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes, parent, text) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function number(value, digits = 3) {
  if (value === null || value === undefined || !isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(Math.max(0, digits - 1)).replace("e+", "e");
  if (size >= 10 ** digits) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(digits)));
}

function extent(spec, axis) {
  const values = [];
  for (const series of spec.series)
    for (const point of series.points)
      for (const value of axis === "x" ? [point.x] : [point.y, point.low, point.high])
        if (value !== null && value !== undefined && isFinite(value) && !(spec[axis].log && value <= 0)) values.push(value);
  for (const guide of spec.guides || []) if (axis === "y" && guide.y !== undefined) values.push(guide.y);
  let low = Infinity, high = -Infinity;
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  if (low > high) return null;
  if (spec[axis].zero) low = Math.min(low, 0);
  return [low, high];
}

function scale(axis, range, from, to) {
  let [low, high] = range;
  if (axis.log) {
    low = Math.log10(low); high = Math.log10(high);
    if (high - low < 0.3) { const middle = (low + high) / 2; low = middle - 0.15; high = middle + 0.15; }
  } else if (high === low) { high += Math.abs(high) * 0.1 || 1; low -= axis.zero && low === 0 ? 0 : Math.abs(low) * 0.1 || 1; }
  const margin = (high - low) * 0.05;
  if (!(axis.zero && low === 0)) low -= margin;
  high += margin;
  const place = (value) => from + (((axis.log ? Math.log10(value) : value) - low) / (high - low)) * (to - from);
  place.low = axis.log ? 10 ** low : low;
  place.high = axis.log ? 10 ** high : high;
  return place;
}

function ticks(axis, place, wanted) {
  if (axis.ticks) return axis.ticks.filter(([value]) => value >= place.low && value <= place.high);
  const found = [];
  if (axis.log) {
    for (const steps of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]) {
      found.length = 0;
      for (let power = Math.floor(Math.log10(place.low)); power <= Math.log10(place.high); power++)
        for (const step of steps) {
          const value = step * 10 ** power;
          if (value >= place.low && value <= place.high) found.push([value, number(value, 3)]);
        }
      if (found.length >= 3) break;
    }
    while (found.length > wanted + 2) for (let i = found.length - 2; i > 0; i -= 2) found.splice(i, 1);
    return found;
  }
  const rough = (place.high - place.low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  for (let k = Math.ceil(place.low / step); k * step <= place.high; k++) found.push([k * step, number(k * step, 4)]);
  return found;
}

function axisLabel(axis) { return axis.log ? `${axis.label}, log scale` : axis.label; }

function plot(host, spec) {
  const figure = document.createElement("figure");
  host.append(figure);
  let drawn = 0;
  const draw = () => { drawn = host.clientWidth; if (drawn) drawChart(figure, spec, figure.clientWidth || drawn); };
  new ResizeObserver(() => { if (Math.abs(figure.clientWidth - drawn) > 1) { drawn = figure.clientWidth; draw(); } }).observe(figure);
  legend(host, spec.series.filter((series) => series.name && series.points.length));
  return { redraw: draw };
}

function legend(host, series) {
  if (series.length < 2 && !(series[0] && series[0].always)) return;
  const list = document.createElement("div");
  list.className = "legend";
  for (const one of series) {
    const item = document.createElement("span");
    item.textContent = one.name;
    item.style.setProperty("--key", one.color);
    list.append(item);
  }
  host.append(list);
}

function drawChart(figure, spec, width) {
  figure.replaceChildren();
  const ranges = { x: extent(spec, "x"), y: extent(spec, "y") };
  if (!ranges.x || !ranges.y) {
    const empty = document.createElement("p");
    empty.className = "quiet small";
    empty.textContent = spec.empty || "Nothing to draw yet.";
    figure.append(empty);
    return;
  }
  if (spec.square) ranges.x = ranges.y = [Math.min(ranges.x[0], ranges.y[0]), Math.max(ranges.x[1], ranges.y[1])];
  const height = spec.height || Math.round(Math.min(320, Math.max(230, width * 0.58)));
  const frame = { left: spec.bare ? 6 : 54, right: width - 10, top: 12, bottom: height - (spec.bare ? 6 : 42) };
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": spec.title || spec.y.label }, null);
  const x = scale(spec.x, ranges.x, frame.left, frame.right), y = scale(spec.y, ranges.y, frame.bottom, frame.top);
  if (!spec.bare) axes(svg, spec, x, y, frame);
  guides(svg, spec, x, y, frame);
  const targets = [];
  for (const series of spec.series) drawSeries(svg, series, x, y, targets);
  mark(svg, spec, targets);
  interact(svg, spec, targets, width, height);
  figure.append(svg);
}

function axes(svg, spec, x, y, frame) {
  for (const [value, text] of ticks(spec.y, y, 5)) {
    shape("line", { class: "axis", x1: frame.left, x2: frame.right, y1: y(value), y2: y(value) }, svg);
    shape("text", { x: frame.left - 7, y: y(value) + 4, "text-anchor": "end" }, svg, text);
  }
  let last = -Infinity;
  const room = (text) => 7 * String(text).length + 10;
  for (const [value, text] of ticks(spec.x, x, Math.max(4, Math.floor((frame.right - frame.left) / 90)))) {
    shape("line", { class: "axis", x1: x(value), x2: x(value), y1: frame.bottom, y2: frame.bottom + 4 }, svg);
    if (x(value) - last < room(text)) continue;
    last = x(value);
    shape("text", { x: x(value), y: frame.bottom + 18, "text-anchor": "middle" }, svg, text);
  }
  shape("text", { x: (frame.left + frame.right) / 2, y: frame.bottom + 37, "text-anchor": "middle" }, svg, axisLabel(spec.x));
  shape("text", { transform: `translate(9 ${(frame.top + frame.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, svg, axisLabel(spec.y));
}

function guides(svg, spec, x, y, frame) {
  for (const guide of spec.guides || []) {
    if (guide.diagonal) {
      const low = Math.max(x.low, y.low), high = Math.min(x.high, y.high);
      shape("line", { class: "guide", x1: x(low), y1: y(low), x2: x(high), y2: y(high) }, svg);
    } else {
      shape("line", { class: "guide", x1: frame.left, x2: frame.right, y1: y(guide.y), y2: y(guide.y) }, svg);
      if (guide.text) shape("text", { x: frame.right, y: y(guide.y) - 5, "text-anchor": "end" }, svg, guide.text);
    }
  }
}

function drawSeries(svg, series, x, y, targets) {
  const group = shape("g", { style: `color: ${series.color}` }, svg);
  const shown = (point) => point.y !== null && point.y !== undefined && isFinite(x(point.x)) && isFinite(y(point.y));
  for (const [i, j] of series.links || []) {
    const [a, b] = [series.points[i], series.points[j]];
    if (shown(a) && shown(b))
      shape("path", { class: "curve", stroke: "currentColor", d: `M${x(a.x)} ${y(a.y)}L${x(b.x)} ${y(b.y)}` }, group);
  }
  for (const point of series.points) {
    if (!shown(point)) continue;
    const at = { cx: x(point.x).toFixed(1), cy: y(point.y).toFixed(1) };
    if (point.low !== undefined && point.low !== null && point.high !== null)
      shape("line", { class: "whisker", stroke: "currentColor", x1: at.cx, x2: at.cx, y1: y(Math.max(point.low, y.low)), y2: y(Math.min(point.high, y.high)) }, group);
    shape("circle", { ...at, r: series.r || 4, fill: "currentColor", "fill-opacity": series.opacity || 1 }, group);
    targets.push({ at, point, r: series.r || 4 });
  }
}

function mark(svg, spec, targets) {
  const chosen = spec.chosen && spec.chosen();
  const hit = chosen && [...targets].reverse().find((target) => target.point.id === chosen);
  if (hit) shape("circle", { ...hit.at, r: hit.r + 4, class: "ring" }, svg);
}

function interact(svg, spec, targets, width, height) {
  const halo = shape("circle", { class: "halo", r: 0 }, svg);
  const nearest = (event) => {
    const box = svg.getBoundingClientRect();
    const px = ((event.clientX - box.left) * width) / box.width, py = ((event.clientY - box.top) * height) / box.height;
    let best = null, least = 24 ** 2;
    for (const target of targets) {
      const distance = (target.at.cx - px) ** 2 + (target.at.cy - py) ** 2;
      if (distance <= least) { least = distance; best = target; }
    }
    return best;
  };
  const leave = () => { halo.setAttribute("r", 0); hideTip(); };
  svg.addEventListener("pointermove", (event) => {
    const hit = nearest(event);
    if (!hit) return leave();
    for (const key in hit.at) halo.setAttribute(key, hit.at[key]);
    halo.setAttribute("r", hit.r + 3);
    showTip(hit.point.tip, event);
  });
  svg.addEventListener("pointerleave", leave);
  if (!spec.pick) return;
  svg.classList.add("clickable");
  svg.addEventListener("click", (event) => { const hit = nearest(event); if (hit) spec.pick(hit.point); });
}

function showTip(text, event) {
  const tip = document.getElementById("tip");
  if (!text) return;
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, window.innerWidth - box.width - 8);
  const below = event.clientY + 18 + box.height < window.innerHeight;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below ? event.clientY + 18 : event.clientY - box.height - 10}px`;
}

function hideTip() { document.getElementById("tip").hidden = true; }
