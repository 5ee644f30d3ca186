"use strict";
// Sends dropped, chosen, pasted or photographed pictures to the server of this page and shows the results.
function startServing() {
  const box = at("serve");
  box.hidden = false;
  element("p", "Drop a picture here, paste one, choose a file, or use the camera. Pictures go to the program that serves this page and nowhere else.", box).className = "hint";
  const bar = element("div", "", box);
  bar.className = "bar";
  const label = element("label", "", bar), file = element("input", "", label);
  [file.type, file.accept, file.multiple, file.id] = ["file", "image/*", true, "file"];
  const camera = element("button", "Use the camera", bar), take = element("button", "Take a picture", bar);
  [camera.id, take.id, take.hidden] = ["camera", "take", true];
  const state = element("span", "", bar);
  state.id = "state";
  state.setAttribute("role", "status");
  const video = element("video", "", box);
  [video.hidden, video.muted, video.playsInline] = [true, true, true];

  async function send(blob, name) {
    state.textContent = `Processing ${name} ...`;
    try {
      const answer = await fetch("look", { method: "POST", headers: { "content-type": blob.type || "image/unknown" }, body: blob });
      const frame = await answer.json();
      if (frame.error) throw new Error(frame.error);
      frame.name = name;
      data.frames.push(frame);
      addFrame(frame);
      showFrame(data.frames.length - 1);
      state.textContent = "";
    } catch (error) {
      state.textContent = error.message;
    }
  }

  async function sendAll(files) {
    for (const one of files) await send(one, one.name || "pasted picture");
  }

  file.addEventListener("change", () => sendAll(file.files));
  document.addEventListener("paste", (event) => sendAll(event.clipboardData.files));
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      box.classList.toggle("over", name === "dragover");
      if (name === "drop") sendAll(event.dataTransfer.files);
    });
  }
  camera.addEventListener("click", async () => {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
      await video.play();
      [video.hidden, take.hidden, state.textContent] = [false, false, ""];
    } catch (error) {
      state.textContent = `The camera cannot be used: ${error.message}`;
    }
  });
  take.addEventListener("click", () => {
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [video.videoWidth, video.videoHeight];
    copy.getContext("2d").drawImage(video, 0, 0);
    copy.toBlob((blob) => send(blob, new Date().toLocaleTimeString()), "image/jpeg", 0.92);
  });
}
startServing();
