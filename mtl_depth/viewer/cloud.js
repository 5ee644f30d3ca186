"use strict";
// A coloured point cloud on a canvas, drawn point by point with a depth buffer: no WebGL, so it opens everywhere.
// Points are x to the right, y down, z forward; the first view is the camera's own, lifted a little.
function cloudViewer(canvas) {
  const context = canvas.getContext("2d");
  const start = { yaw: -0.25, pitch: 0.18, distance: 1.15, right: 0, down: 0 };
  const view = { ...start };
  let cloud = null;
  let waiting = false;

  function decode(text, Kind) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Kind(bytes.buffer);
  }

  function show(given) {
    const raw = decode(given.points, Int16Array);
    const points = Float32Array.from(raw, (value) => value * given.scale);
    cloud = { ...given, points, colors: decode(given.colors, Uint8Array) };
    Object.assign(view, start);
    later();
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
    const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
    const focal = cloud.focal * width, away = cloud.middle * view.distance;
    const spacing = (width / cloud.columns) * 1.2; // of neighbours, on the screen, at the camera's own place
    const { points, colors } = cloud;
    for (let i = 0; i < cloud.count; i++) {
      const x = points[3 * i], y = points[3 * i + 1], z = points[3 * i + 2] - cloud.middle;
      const turned = cy * z - sy * x;
      const depth = cp * turned + sp * y + away;
      if (depth <= 0.02 * away) continue;
      const u = width / 2 + (focal * (cy * x + sy * z)) / depth + view.right * width;
      const v = height / 2 + (focal * (cp * y - sp * turned)) / depth + view.down * width;
      const size = Math.min(12, Math.max(1, Math.ceil((spacing * points[3 * i + 2]) / depth)));
      const left = Math.max(0, Math.round(u - size / 2)), right = Math.min(width, Math.round(u + size / 2) || 1);
      const top = Math.max(0, Math.round(v - size / 2)), bottom = Math.min(height, Math.round(v + size / 2));
      const color = 0xff000000 | (colors[3 * i + 2] << 16) | (colors[3 * i + 1] << 8) | colors[3 * i];
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          const place = row * width + column;
          if (depth < nearest[place]) {
            nearest[place] = depth;
            pixels[place] = color;
          }
        }
      }
    }
    context.putImageData(image, 0, 0);
  }

  const fingers = new Map();
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };
  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const apart = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    if (apart) view.distance *= apart / Math.max(spread(), 1);
    else if (event.shiftKey) {
      view.right += dx / canvas.clientWidth;
      view.down += dy / canvas.clientWidth;
    } else {
      view.yaw += dx / 250;
      view.pitch = Math.max(-1.5, Math.min(1.5, view.pitch + dy / 250));
    }
    later();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.distance *= Math.exp(event.deltaY / 800);
    later();
  }, { passive: false });
  canvas.addEventListener("dblclick", () => {
    Object.assign(view, start);
    later();
  });
  new ResizeObserver(later).observe(canvas);
  return { show };
}
