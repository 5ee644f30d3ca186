"use strict";
// Fills the page from the JSON inside it. Nothing is fetched: pictures are data addresses, depth is base64.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const TICKS = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 80, 150, 300];
const viewer = cloudViewer(at("cloud"), data.unit);
const NARROW = matchMedia("(max-width: 1100px)"); // the legend is below the picture
let chosen = -1;

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

// A markdown table as mtl_depth.evaluation.score_tables.aligned writes it.
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

// The options of a select, keeping what is chosen where it still exists.
function offer(select, names, preferred) {
  const kept = names.includes(select.value) ? select.value : names.includes(preferred) ? preferred : names[0];
  select.replaceChildren(...names.map((name) => new Option(name, name)));
  select.value = kept;
}

const layer = (name) => data.frames[chosen].layers.find((one) => one.name === name);

function showLayers() {
  const [left, right] = [layer(at("left").value), layer(at("right").value)];
  [at("above").src, at("below").src] = [left.picture, right.picture];
  const shown = right === left ? [right] : [left, right];
  at("legend").firstElementChild.replaceChildren();
  const kinds = shown.filter((one, i) => one.legend && shown.findIndex((other) => other.legend === one.legend && other.nearest === one.nearest) === i);
  for (const one of kinds) ({ depth: depthLegend, error: errorLegend, classes: classLegend })[one.legend](one);
}

function colorScale(title, marks, colors) {
  const box = element("div", "", at("legend").firstElementChild);
  element("h3", title, box);
  const bar = element("div", "", box), flat = NARROW.matches;
  bar.className = "scale";
  bar.style.background = `linear-gradient(${flat ? "to right" : "to bottom"}, ${colors.join(", ")})`;
  for (const [text, share] of marks) element("span", text, bar).style[flat ? "left" : "top"] = `${100 * share}%`;
}

function depthLegend(one) {
  const marks = [];
  for (const depth of TICKS) {
    const share = 1 - one.nearest / depth; // colours go with inverse depth
    if (depth >= one.nearest && share - (marks.length ? marks[marks.length - 1][1] : -1) > 0.13) marks.push([`${depth} ${data.unit}`, share]);
  }
  colorScale(`${one.name} (${data.unit ? "metres" : "up to scale"})`, marks, [...data.colors].reverse());
}

function errorLegend() {
  const largest = Math.round(100 * data.largest_error);
  colorScale("Error, share of the depth", [["0 %", 0], [`${largest / 2} %`, 0.5], [`${largest} %+`, 1]], data.colors);
}

function classLegend() {
  const box = element("div", "", at("legend").firstElementChild);
  element("h3", "Classes", box);
  const list = element("div", "", box);
  list.className = "classes";
  for (const [name, color] of data.classes) {
    const entry = element("div", "", list);
    entry.className = "class";
    element("i", "", entry).style.background = color;
    entry.append(name);
  }
}

function showFrame(index) {
  chosen = index;
  const frame = data.frames[index], names = frame.layers.map((one) => one.name);
  [...at("frames").children].forEach((entry, i) => entry.setAttribute("aria-selected", i === index));
  at("frames").children[index].scrollIntoView({ block: "nearest", inline: "nearest" });
  const start = names.filter((name) => name !== "Picture");
  offer(at("left"), names, frame.clouds.length > 1 ? start[0] : "Picture");
  offer(at("right"), names, frame.clouds.length > 1 ? start.find((name) => name !== start[0] && name.startsWith("Depth,")) : start[0]);
  showLayers();
  at("space").hidden = !frame.clouds.length;
  if (!frame.clouds.length) return;
  offer(at("shape"), frame.clouds.map((cloud) => cloud.name));
  offer(at("paint"), names, "Picture");
  showCloud();
}

function showCloud() {
  const cloud = data.frames[chosen].clouds.find((one) => one.name === at("shape").value);
  const count = viewer.show(cloud);
  viewer.paint(layer(at("paint").value).picture);
  at("whose").hidden = data.frames[chosen].clouds.length < 2;
  at("points").textContent = `${count.toLocaleString("en")} points, ${data.unit ? "in metres" : "up to scale"}`;
}

function addFrame(frame) {
  const index = data.frames.indexOf(frame);
  const entry = element("div", "", at("frames"));
  entry.className = "frame";
  entry.setAttribute("role", "option");
  const small = element("img", "", entry);
  [small.src, small.alt] = [frame.layers[0].picture, ""];
  element("span", frame.name.length > 16 ? `\u2026${frame.name.slice(-15)}` : frame.name, entry).title = frame.name;
  entry.addEventListener("click", () => showFrame(index));
  at("look").hidden = false;
}

function slide() {
  const share = Number(at("slider").value);
  at("above").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
  at("line").style.left = `${share}%`;
}

// The depth below the pointer, where the cloud has a point.
function tellDepth(event) {
  const cloud = data.frames[chosen].clouds[0], box = at("compare").getBoundingClientRect();
  if (!cloud) return;
  cloud.values ??= new Uint16Array(Uint8Array.from(atob(cloud.depths), (letter) => letter.charCodeAt(0)).buffer);
  const cell = (share, size, most) => Math.min(most - 1, Math.max(0, Math.floor((share * size) / cloud.step)));
  const column = cell((event.clientX - box.left) / box.width, cloud.size[1], cloud.columns);
  const row = cell((event.clientY - box.top) / box.height, cloud.size[0], cloud.rows);
  const depth = cloud.values[row * cloud.columns + column] * cloud.scale;
  at("value").textContent = depth ? `${depth.toPrecision(3)} ${data.unit}` : "";
}

document.title = data.title;
at("title").textContent = data.title;
at("sentences").textContent = data.sentences.join(" ");
data.tables.forEach(showTable);
data.notes.forEach((note) => element("li", note, at("notes")));
showCharts(data.curves, at("curves"), at("runs"));
if (data.figure) at("grid").src = data.figure;
if (data.film) at("movie").src = data.film;
for (const [id, there] of [["numbers", data.tables.length + data.notes.length], ["training", data.curves.length], ["figure", data.figure], ["film", data.film], ["look", data.frames.length]]) at(id).hidden = !there;
at("slider").addEventListener("input", slide);
at("slider").addEventListener("pointermove", tellDepth);
at("slider").addEventListener("pointerleave", () => (at("value").textContent = ""));
for (const id of ["left", "right"]) at(id).addEventListener("change", showLayers);
at("shape").addEventListener("change", showCloud);
at("paint").addEventListener("change", () => viewer.paint(layer(at("paint").value).picture));
at("size").addEventListener("input", () => viewer.change({ size: Number(at("size").value) }));
at("axes").addEventListener("change", () => viewer.change({ axes: at("axes").checked }));
at("reset").addEventListener("click", viewer.reset);
at("zoom").addEventListener("click", () => at("zoom").classList.toggle("large"));
at("frames").addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  showFrame((chosen + by + data.frames.length) % data.frames.length);
});
NARROW.addEventListener("change", () => chosen >= 0 && showLayers());
data.frames.forEach(addFrame);
if (data.frames.length) showFrame(0);
