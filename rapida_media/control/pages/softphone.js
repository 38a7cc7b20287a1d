// The softphone of console.html: calls an agent of this engine by WebRTC (POST /v1/webrtc). Behind
// console.js, whose ask(), element() and events "call-told" it uses.
"use strict";

const LEVEL_MS = 100;
const LEAST_DB = -60;
const TONE_MS = 100;
const PAUSE_MS = 70;
const TOLD_MS = 2000;
const KEYS = "123456789*0#";
// What getUserMedia says, and what to do about it.
const NO_MICROPHONE = {
  NotAllowedError: "The microphone was not allowed. Allow it for this page, beside its address, and call again.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is in use by another program.",
};
const NOT_SECURE = "A browser gives its microphone only to pages that come by https:// or from this"
  + " machine: open the console as http://127.0.0.1, or behind TLS.";

const NO_WAY = "No connection: UDP does not pass between this browser and the engine's [rtp] ports.";

let line = null; // the call that goes on

const trouble = (text) => { element("phone-trouble").textContent = text; };
const state = (text) => { element("phone-state").textContent = text; };

function draw() {
  const talking = line !== null && line.connected;
  element("call-button").hidden = line !== null;
  element("called").disabled = line !== null;
  element("end-call").hidden = line === null;
  element("in-call").hidden = !talking;
  element("mute").ariaPressed = String(talking && !line.microphone.getAudioTracks()[0].enabled);
  // RFC 4733, where the engine agreed to it.
  const keys = talking && (line.sender.dtmf?.canInsertDTMF ?? false);
  for (const key of element("keypad").children) key.disabled = !keys;
}

async function microphone() {
  if (navigator.mediaDevices === undefined) throw new Error(NOT_SECURE);
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw new Error(NO_MICROPHONE[error.name] ?? `The microphone cannot be used: ${error.message}`);
  }
}

// -- one call -----------------------------------------------------------------------------------

async function call(to) {
  const mine = { to, peer: new RTCPeerConnection(), microphone: null, id: null, connected: false };
  line = mine;
  trouble("");
  state("Asking for the microphone …");
  draw();
  try {
    mine.microphone = await microphone();
    if (line !== mine) return release(mine);
    state(`Calling ${to} …`);
    await connect(mine);
  } catch (error) {
    if (line === mine) end("", error.message);
  }
}

async function connect(mine) {
  const { to, peer, microphone } = mine;
  mine.sender = peer.addTrack(microphone.getAudioTracks()[0], microphone);
  peer.addEventListener("track", (event) => {
    mine.heard = new MediaStream([event.track]);
    element("heard").srcObject = mine.heard;
  });
  peer.addEventListener("connectionstatechange", () => changed(mine));
  await peer.setLocalDescription();
  // The engine answers checks wherever they come from: no candidate has to be waited for.
  const response = await ask("v1/webrtc", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sdp: peer.localDescription.sdp, to }),
  });
  const answer = await response.json();
  mine.id = answer.call_id;
  if (line !== mine) return giveUp(mine);
  await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  location.hash = mine.id;
}

function changed(mine) {
  if (line !== mine) return;
  const now = mine.peer.connectionState;
  if (now === "connected") {
    mine.connected = true;
    measure(mine);
    progress(mine);
    draw();
  } else if (now === "failed" || now === "closed") {
    const why = mine.connected ? "The connection was lost." : NO_WAY;
    setTimeout(() => line === mine && end("", why), TOLD_MS); // unless the engine tells why
  }
}

// An agent that decides about the call is heard before it answers.
function progress(mine) {
  if (!mine.connected) return;
  const answered = calls.get(mine.id)?.answered_at ?? null;
  state(answered === null ? `${mine.to} has not answered yet …` : `Connected to ${mine.to}.`);
}

// What the engine tells of the call says how far it is, and why it is over.
document.addEventListener("call-told", ({ detail: told }) => {
  if (line === null || told.id !== line.id) return;
  if (told.ended_at === null) return progress(line);
  const failed = told.failure_class !== null;
  end(failed ? "" : `The call is over: ${told.reason}.`,
    failed ? `The call failed: ${[told.reason, told.cause].filter(Boolean).join(", ")}.` : "");
});

function end(said, why = "") {
  const over = line;
  line = null;
  release(over);
  state(said);
  trouble(why);
  draw();
}

function release(over) {
  clearInterval(over.measuring);
  over.context?.close();
  over.peer.close();
  for (const track of over.microphone?.getTracks() ?? []) track.stop();
  element("heard").srcObject = null;
}

// Before the connection is there, its end cannot tell the engine.
function giveUp(over) {
  if (over.connected || over.id === null) return;
  // keepalive: also when the page goes away.
  ask(`v1/calls/${encodeURIComponent(over.id)}/hangup`, {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ reason: "bye" }),
  }).catch((error) => trouble(error.message));
}

function endCall() {
  const over = line;
  if (over === null) return;
  end("The call is over.");
  giveUp(over);
}

// -- levels -------------------------------------------------------------------------------------

function measure(mine) {
  if (mine.context !== undefined) return;
  mine.context = new AudioContext();
  const analysed = (stream) => {
    const analyser = mine.context.createAnalyser();
    mine.context.createMediaStreamSource(stream).connect(analyser);
    return analyser;
  };
  const meters = [["spoken-level", analysed(mine.microphone)], ["heard-level", analysed(mine.heard)]];
  mine.measuring = setInterval(() => {
    for (const [name, analyser] of meters) element(name).value = levelOf(analyser);
  }, LEVEL_MS);
}

function levelOf(analyser) {
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return Math.max(LEAST_DB, 10 * Math.log10(power || Number.MIN_VALUE));
}

// -- what is pressed ----------------------------------------------------------------------------

function keyButton(key) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = key;
  button.addEventListener("click", () => {
    line.sender.dtmf.insertDTMF(line.sender.dtmf.toneBuffer + key, TONE_MS, PAUSE_MS);
  });
  return button;
}

element("keypad").append(...[...KEYS].map(keyButton));
element("dial").addEventListener("submit", (event) => {
  event.preventDefault();
  if (line === null) call(element("called").value.trim());
});
element("end-call").addEventListener("click", endCall);
element("mute").addEventListener("click", () => {
  const [track] = line.microphone.getAudioTracks();
  track.enabled = !track.enabled;
  draw();
});
addEventListener("pagehide", endCall);
draw();
