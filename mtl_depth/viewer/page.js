"use strict";
// Fills the page from the JSON inside it. Nothing is fetched: pictures are data addresses, clouds base64.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

// A markdown table as mtl_depth.scores.aligned writes it.
function showTable(markdown) {
  const table = element("table", "", at("tables"));
  markdown.split("\n").forEach((line, index) => {
    if (index === 1) return; // the rule below the header
    const row = element("tr", "", table);
    line.split("|").slice(1, -1).forEach((cell) => {
      const bold = /\*\*(.*?)\*\*/.exec(cell);
      const made = element(index ? "td" : "th", "", row);
      if (bold) {
        element("b", bold[1], made);
        made.append(cell.replace(bold[0], "").trimEnd());
      } else made.textContent = cell.trim();
      if (/[a-z]{3}/.test(cell)) made.className = "words";
    });
  });
}

function svg(name, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

// Three digits, few enough characters for the margin of a chart.
function inShort(value) {
  return value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : value.toPrecision(3);
}

// One small chart: steps to the right, values upwards.
function showCurve(curve) {
  const box = element("figure", "", at("curves"));
  element("figcaption", curve.name, box);
  const [width, height, left, bottom] = [300, 140, 44, 16];
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}` }, box);
  const steps = curve.points.map((p) => p[0]), values = curve.points.map((p) => p[1]);
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (step) => left + ((step - first) / (last - first || 1)) * (width - left - 8);
  const y = (value) => height - bottom - 6 - ((value - low) / (high - low || 1)) * (height - bottom - 16);
  for (const value of low === high ? [low] : [low, (low + high) / 2, high]) {
    svg("line", { x1: left, x2: width - 8, y1: y(value), y2: y(value), stroke: "#e0e0e0" }, chart);
    svg("text", { x: left - 4, y: y(value) + 3, "text-anchor": "end" }, chart).textContent = inShort(value);
  }
  svg("text", { x: left, y: height - 4 }, chart).textContent = first;
  svg("text", { x: width - 8, y: height - 4, "text-anchor": "end" }, chart).textContent = `step ${last}`;
  const path = curve.points.map((p) => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" ");
  svg("polyline", { points: path, fill: "none", stroke: "#8c2981", "stroke-width": 1.5 }, chart);
  if (curve.points.length < 30) {
    for (const p of curve.points) svg("circle", { cx: x(p[0]), cy: y(p[1]), r: 2, fill: "#8c2981" }, chart);
  }
}

function slide() {
  const share = Number(at("slider").value);
  at("above").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
  at("line").style.left = `${share}%`;
}

function showFrame(index, viewer) {
  const frame = data.frames[index];
  [...at("frames").children].forEach((button, i) => button.classList.toggle("chosen", i === index));
  at("above").src = frame.input;
  at("below").src = frame.depth;
  viewer.show(frame.cloud);
  at("points").textContent = `${frame.cloud.count.toLocaleString("en")} points, ${data.unit}.`;
}

document.title = data.title;
at("title").textContent = data.title;
at("sentences").textContent = data.sentences.join(" ");
data.tables.forEach(showTable);
data.notes.forEach((note) => element("li", note, at("notes")));
data.curves.forEach(showCurve);
if (data.figure) at("grid").src = data.figure;
at("numbers").hidden = !data.tables.length && !data.notes.length;
at("training").hidden = !data.curves.length;
at("figure").hidden = !data.figure;
at("look").hidden = !data.frames.length;
at("slider").addEventListener("input", slide);
if (data.frames.length) {
  const viewer = cloudViewer(at("cloud"));
  data.frames.forEach((frame, index) => {
    element("button", frame.name, at("frames")).addEventListener("click", () => showFrame(index, viewer));
  });
  showFrame(0, viewer);
}
