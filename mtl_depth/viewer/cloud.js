"use strict";
// A coloured point cloud on a canvas, drawn point by point with a depth buffer: no WebGL, so it opens everywhere.
// Points are x to the right, y down, z forward. The first view is the camera's own, lifted and turned a little, and
// fits nearly all points.
function cloudViewer(canvas, unit) {
  const context = canvas.getContext("2d");
  const start = { yaw: -0.35, pitch: 0.3, zoom: 1, right: 0, down: 0, size: 1.6, axes: true };
  const view = { ...start };
  const FOCAL = 1.1; // in widths or heights of the canvas, whichever is smaller
  let cloud = null;
  let waiting = false;

  // Points and the pixel that each is seen in, as shares of the picture's width and height.
  function show(given) {
    const bytes = Uint8Array.from(atob(given.depths), (letter) => letter.charCodeAt(0));
    const depths = new Uint16Array(bytes.buffer);
    const count = depths.reduce((total, depth) => total + (depth > 0), 0);
    const [points, places] = [new Float32Array(3 * count), new Float32Array(2 * count)];
    const [fx, fy, cx, cy] = given.camera, [height, width] = given.size, first = Math.floor(given.step / 2);
    depths.forEach(((next) => (depth, index) => {
      if (!depth) return;
      const u = first + (index % given.columns) * given.step, v = first + Math.floor(index / given.columns) * given.step;
      const z = depth * given.scale;
      points.set([((u - cx) / fx) * z, ((v - cy) / fy) * z, z], 3 * next);
      places.set([(u + 0.5) / width, (v + 0.5) / height], 2 * next);
      next += 1;
    })(0));
    const kept = cloud && cloud.layer;
    cloud = { count, points, places, colors: new Uint32Array(count).fill(0xffb0b0b0), spacing: given.step / fx };
    cloud.middle = [0, 1, 2].map((axis) => (share(axis, 0.02) + share(axis, 0.98)) / 2);
    cloud.floor = share(1, 0.95);
    cloud.farthest = share(2, 0.98);
    fit();
    if (kept) paint(kept);
    later();
    return count;
  }

  // The value below which a share of the points lies along an axis.
  function share(axis, part) {
    const step = Math.max(1, Math.floor(cloud.count / 3000)), values = [];
    for (let i = 0; i < cloud.count; i += step) values.push(cloud.points[3 * i + axis]);
    values.sort((a, b) => a - b);
    return values.length ? values[Math.min(values.length - 1, Math.floor(part * values.length))] : 1;
  }

  // Colours the points by a picture that covers the same view.
  function paint(layer) {
    const image = new Image();
    image.onload = () => {
      const copy = document.createElement("canvas");
      [copy.width, copy.height] = [image.naturalWidth, image.naturalHeight];
      const drawing = copy.getContext("2d");
      drawing.drawImage(image, 0, 0);
      const pixels = new Uint32Array(drawing.getImageData(0, 0, copy.width, copy.height).data.buffer);
      for (let i = 0; i < cloud.count; i++) {
        const column = Math.floor(cloud.places[2 * i] * copy.width), row = Math.floor(cloud.places[2 * i + 1] * copy.height);
        cloud.colors[i] = pixels[row * copy.width + column];
      }
      cloud.layer = layer;
      later();
    };
    image.src = layer;
  }

  function turn() {
    const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
    const [mx, my, mz] = cloud.middle;
    return (x, y, z) => {
      const [a, b, c] = [x - mx, y - my, z - mz], turned = cy * c - sy * a;
      return [cy * a + sy * c, cp * b - sp * turned, cp * turned + sp * b];
    };
  }

  // The distance at which nearly all points are inside the canvas, and their middle is in its middle.
  function fit() {
    const [width, height] = [canvas.clientWidth || 3, canvas.clientHeight || 2], side = Math.min(width, height);
    const turned = turn(), [needed, rows, columns] = [[], [], []];
    const step = Math.max(1, Math.floor(cloud.count / 3000));
    for (let i = 0; i < cloud.count; i += step) {
      const [x, y, z] = turned(cloud.points[3 * i], cloud.points[3 * i + 1], cloud.points[3 * i + 2]);
      needed.push(Math.max((Math.abs(x) * 2.1 * side) / width, (Math.abs(y) * 2.1 * side) / height) * FOCAL - z);
      rows.push([y, z]);
      columns.push([x, z]);
    }
    needed.sort((a, b) => a - b);
    cloud.away = needed.length ? Math.max(needed[Math.floor(0.97 * needed.length)], 1e-3) : 1;
    const centre = (pairs) => {
      const seen = pairs.map(([value, z]) => value / Math.max(z + cloud.away, 0.05 * cloud.away)).sort((a, b) => a - b);
      return seen.length ? (seen[Math.floor(0.03 * seen.length)] + seen[Math.floor(0.97 * seen.length)]) / 2 : 0;
    };
    [cloud.shiftRight, cloud.shiftDown] = [centre(columns), centre(rows)];
  }

  function later() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function draw() {
    if (!cloud) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 1.5);
    const width = (canvas.width = Math.round(canvas.clientWidth * ratio));
    const height = (canvas.height = Math.round(canvas.clientHeight * ratio));
    if (!width || !height) return; // not laid out yet; the observer below comes back
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer).fill(0xff141010);
    const nearest = new Float32Array(width * height).fill(Infinity);
    const focal = FOCAL * Math.min(width, height), away = cloud.away / view.zoom, turned = turn();
    const left = width / 2 + (view.right - cloud.shiftRight * FOCAL) * Math.min(width, height);
    const top = height / 2 + (view.down - cloud.shiftDown * FOCAL) * Math.min(width, height);
    const { points, colors } = cloud;
    for (let i = 0; i < cloud.count; i++) {
      const [x, y, z] = turned(points[3 * i], points[3 * i + 1], points[3 * i + 2]), depth = z + away;
      if (depth <= 0.02 * away) continue;
      const extent = (view.size * focal * cloud.spacing * points[3 * i + 2]) / depth;
      const size = Math.min(14, Math.max(1, Math.round(extent)));
      const column = Math.round(left + (focal * x) / depth - size / 2), row = Math.round(top + (focal * y) / depth - size / 2);
      const color = colors[i];
      for (let r = Math.max(0, row); r < Math.min(height, row + size); r++) {
        for (let c = Math.max(0, column); c < Math.min(width, column + size); c++) {
          if (depth < nearest[r * width + c]) {
            nearest[r * width + c] = depth;
            pixels[r * width + c] = color;
          }
        }
      }
    }
    context.putImageData(image, 0, 0);
    if (view.axes) drawScale((x, y, z) => {
      const [a, b, c] = turned(x, y, z);
      return c + away > 0.02 * away ? [left + (focal * a) / (c + away), top + (focal * b) / (c + away)] : null;
    }, ratio);
  }

  // A ruler on the ground below the optical axis, with a mark at every round distance, and the axes at the camera.
  function drawScale(project, ratio) {
    const rough = cloud.farthest / 6, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const line = (from, to, color) => {
      const [a, b] = [project(...from), project(...to)];
      if (!a || !b) return;
      context.strokeStyle = color;
      context.beginPath();
      context.moveTo(...a);
      context.lineTo(...b);
      context.stroke();
    };
    const write = (text, at, color) => {
      const place = project(...at);
      if (!place) return;
      context.lineWidth = 3 * ratio;
      context.strokeStyle = "#101014";
      context.strokeText(text, place[0] + 4, place[1]);
      context.fillStyle = color;
      context.fillText(text, place[0] + 4, place[1]);
      context.lineWidth = 1.5 * ratio;
    };
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    context.lineWidth = 1.5 * ratio;
    const y = cloud.floor;
    let labelled = null;
    line([0, y, 0], [0, y, cloud.farthest], "#fff");
    for (let z = step; z <= cloud.farthest * 1.001; z += step) {
      line([-step / 5, y, z], [step / 5, y, z], "#fff");
      const place = project(step / 5, y, z);
      if (!place || (labelled && Math.hypot(place[0] - labelled[0], place[1] - labelled[1]) < 16 * ratio)) continue;
      labelled = place;
      write(`${Number(z.toPrecision(3))}${unit ? " " + unit : ""}`, [step / 5, y, z], "#fff");
    }
    for (const [name, to, color] of [["x", [step / 2, 0, 0], "#f66"], ["y", [0, step / 2, 0], "#6d6"], ["z", [0, 0, step / 2], "#7af"]]) {
      line([0, 0, 0], to, color);
      write(name, to, color);
    }
  }

  function change(values) {
    Object.assign(view, values);
    later();
  }
  const reset = () => {
    change({ ...start, size: view.size, axes: view.axes });
    if (cloud) fit();
  };
  steer(canvas, view, change, reset);
  new ResizeObserver(() => {
    if (cloud) fit();
    later();
  }).observe(canvas);
  return { show, paint, change, reset };
}

// Mouse, touch and keys. The wheel and a single finger belong to the page until the canvas was clicked.
function steer(canvas, view, change, reset) {
  const fingers = new Map();
  const active = () => canvas.classList.contains("active");
  const turnBy = (x, y) => change({ yaw: view.yaw + x, pitch: Math.max(-1.5, Math.min(1.5, view.pitch + y)) });
  const moveBy = (x, y) => change({ right: view.right + x, down: view.down + y });
  const zoomBy = (factor) => change({ zoom: Math.max(0.1, Math.min(50, view.zoom * factor)) });
  const middle = () => [0, 1].map((axis) => [...fingers.values()].reduce((sum, at) => sum + at[axis], 0) / fingers.size);
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };
  canvas.addEventListener("click", () => canvas.classList.add("active"));
  document.addEventListener("pointerdown", (event) => event.target !== canvas && canvas.classList.remove("active"));
  canvas.addEventListener("blur", () => canvas.classList.remove("active"));
  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (event.pointerType !== "touch" || active()) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const two = fingers.size === 2, [apart, from] = two ? [spread(), middle()] : [0, before];
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    const to = two ? middle() : [event.clientX, event.clientY], side = Math.min(canvas.clientWidth, canvas.clientHeight);
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    if (two) zoomBy(spread() / Math.max(apart, 1));
    if (event.shiftKey) moveBy(dx / side, dy / side);
    else if (two || event.pointerType !== "touch" || active()) turnBy(dx / 250, -dy / 250);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  }
  canvas.addEventListener("touchmove", (event) => {
    if (event.touches.length > 1 || active()) event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("wheel", (event) => {
    if (!active()) return;
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 800));
  }, { passive: false });
  canvas.addEventListener("dblclick", reset);
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (by && event.shiftKey) moveBy(by[0] / 20, by[1] / 20);
    else if (by) turnBy(by[0] / 12, -by[1] / 12);
    else if (event.key === "+" || event.key === "=") zoomBy(1.15);
    else if (event.key === "-") zoomBy(1 / 1.15);
    else if (event.key === "0" || event.key === "Home") reset();
    else if (event.key === "Escape") return canvas.classList.remove("active");
    else return;
    event.preventDefault();
  });
}
