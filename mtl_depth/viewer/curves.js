"use strict";
// Small charts of what was logged: steps to the right, values upwards, a line for each run.
const STROKES = ["#8c2981", "#e07b00", "#1f77b4", "#2ca02c", "#d62728", "#7f7f7f"];

function svg(name, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

// Three digits, few enough characters for the margin of a chart.
function inShort(value) {
  return value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

function showCharts(charts, box, key) {
  const runs = [...new Set(charts.flatMap((chart) => chart.series.map((series) => series.run)))];
  const stroke = (run) => STROKES[runs.indexOf(run) % STROKES.length];
  if (runs.length > 1) {
    for (const run of runs) {
      const entry = element("span", run, key);
      entry.style.borderBottom = `3px solid ${stroke(run)}`;
    }
  }
  for (const chart of charts) showChart(chart, box, stroke, runs.length > 1);
}

function showChart(chart, parent, stroke, several) {
  const box = element("figure", "", parent), caption = element("figcaption", "", box);
  element("span", chart.name, caption);
  const value = element("output", "", caption);
  const [width, height, left, right, bottom] = [320, 150, 48, 10, 18];
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": chart.name }, box);
  const all = chart.series.flatMap((series) => series.points);
  const [first, last] = [Math.min(...all.map((p) => p[0])), Math.max(...all.map((p) => p[0]))];
  const [low, high] = [Math.min(...all.map((p) => p[1])), Math.max(...all.map((p) => p[1]))];
  const x = (step) => left + (last > first ? (step - first) / (last - first) : 0.5) * (width - left - right);
  const y = (v) => height - bottom - 8 - (high > low ? (v - low) / (high - low) : 0.5) * (height - bottom - 18);
  for (const tick of low === high ? [low] : [low, (low + high) / 2, high]) {
    svg("line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "rule" }, drawing);
    svg("text", { x: left - 4, y: y(tick) + 3, "text-anchor": "end" }, drawing).textContent = inShort(tick);
  }
  svg("text", { x: left, y: height - 5 }, drawing).textContent = first === last ? "" : first;
  svg("text", { x: width - right, y: height - 5, "text-anchor": "end" }, drawing).textContent = `step ${last}`;
  for (const series of chart.series) {
    const path = series.points.map((p) => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" ");
    svg("polyline", { points: path, fill: "none", stroke: stroke(series.run), "stroke-width": 1.6 }, drawing);
    if (series.points.length < 30) {
      for (const p of series.points) svg("circle", { cx: x(p[0]), cy: y(p[1]), r: 2.5, fill: stroke(series.run) }, drawing);
    }
  }
  const cursor = svg("line", { y1: 8, y2: height - bottom, class: "cursor", visibility: "hidden" }, drawing);
  drawing.addEventListener("pointermove", (event) => {
    const frame = drawing.getBoundingClientRect();
    const at = ((event.clientX - frame.left) / frame.width) * width;
    const near = (points) => points.reduce((a, b) => (Math.abs(x(b[0]) - at) < Math.abs(x(a[0]) - at) ? b : a));
    const found = chart.series.map((series) => [series.run, near(series.points)]);
    const step = near(found.map(([, point]) => point))[0];
    value.textContent = `step ${step}: ` + found.map(([run, p]) => `${several ? run + " " : ""}${inShort(p[1])}`).join(", ");
    for (const side of ["x1", "x2"]) cursor.setAttribute(side, x(step));
    cursor.setAttribute("visibility", "visible");
  });
  drawing.addEventListener("pointerleave", () => {
    value.textContent = "";
    cursor.setAttribute("visibility", "hidden");
  });
}
