// Fills console.html from the operators' API: the list follows /v1/events, the chosen call (named
// behind the # of the address) is asked for once a second while it lives. What callers wrote is
// only ever set as text.
"use strict";

const MOST_CALLS = 200;
const ASK_MS = 1000;
const RETRY_MS = 2000;
const KEY = "rapida-media key"; // in sessionStorage: gone with the tab

const element = (id) => document.getElementById(id);
const calls = new Map(); // id: the call as it was told last
let lastEventId = null;

class Refused extends Error {}

async function ask(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const why = problem.detail ?? `${response.status} ${response.statusText}`;
  throw response.status === 401 ? new Refused(key ? why : "") : new Error(why);
}

// -- the list -----------------------------------------------------------------------------------

const isOver = (call) => call.ended_at !== null;

function lasted(call) {
  if (call.answered_at === null) return "";
  const end = call.ended_at === null ? Date.now() : Date.parse(call.ended_at);
  const seconds = Math.max(0, Math.round((end - Date.parse(call.answered_at)) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function way(call) {
  return [call.provider, call.trunk ?? call.credential].filter(Boolean).join(", ");
}

function outcome(call) {
  return [call.status, call.reason].filter(Boolean).join(": ");
}

function row(call) {
  const made = document.createElement("tr");
  const began = document.createElement("a");
  began.href = `#${call.id}`;
  began.textContent = new Date(call.created_at).toLocaleTimeString();
  const cells = [began, call.from, call.to, call.assistant ?? "", way(call), outcome(call),
    lasted(call)];
  for (const each of cells) made.insertCell().append(each);
  made.lastElementChild.className = "number";
  made.className = isOver(call) ? "ended" : "live";
  made.ariaSelected = String(call.id === chosen());
  return made;
}

function drawCalls() {
  const age = (call) => call.created_at;
  const sorted = [...calls.values()].sort((a, b) => (age(a) < age(b) ? 1 : -1));
  for (const call of sorted.slice(MOST_CALLS)) calls.delete(call.id);
  element("calls").replaceChildren(...sorted.slice(0, MOST_CALLS).map(row));
  element("none").hidden = calls.size > 0;
  const live = sorted.filter((call) => !isOver(call)).length;
  document.title = live ? `(${live}) rapida-media` : "rapida-media";
}

function take(call) {
  calls.set(call.id, call);
  drawCalls();
  if (call.id === chosen()) drawFacts(call);
  document.dispatchEvent(new CustomEvent("call-told", { detail: call })); // for softphone.js
}

// -- one call -----------------------------------------------------------------------------------

const chosen = () => location.hash.slice(1);

const rounded = (digits, unit) => (value) => `${value.toFixed(digits)}${unit}`;
const percent = (value) => `${(100 * value).toFixed(2)} %`;
// What is shown of the quality, in this order: label, how it is written.
const QUALITY = {
  codec: ["codec", String],
  srtp: ["SRTP", String],
  mos: ["MOS", rounded(2, "")],
  mos_worst_10s: ["MOS, worst 10 s", rounded(2, "")],
  r_factor: ["R factor", rounded(0, "")],
  loss: ["lost", percent],
  loss_after_buffer: ["lost, after the buffer", percent],
  concealed_ms: ["concealed", rounded(0, " ms")],
  late: ["came too late", String],
  jitter_ms: ["jitter", rounded(1, " ms")],
  round_trip_ms: ["round trip", rounded(0, " ms")],
  mouth_to_ear_ms: ["mouth to ear", rounded(0, " ms")],
  remote_loss: ["lost at the far end", percent],
  remote_jitter_ms: ["jitter at the far end", rounded(1, " ms")],
  packets_received: ["packets received", String],
  packets_sent: ["packets sent", String],
  events_dropped: ["events the agent missed", String],
};

function fill(list, entries) {
  const shown = entries.filter(([, value]) => value !== null && value !== "");
  list.replaceChildren(...shown.flatMap(([label, value]) => {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = label;
    text.textContent = value;
    return [term, text];
  }));
}

function drawFacts(call) {
  element("call-title").textContent = `${call.from} → ${call.to}`;
  element("hang-up").hidden = isOver(call);
  const at = (moment) => moment && new Date(moment).toLocaleString();
  fill(element("facts"), [
    ["id", call.id],
    ["status", outcome(call)],
    ["by", way(call)],
    ["assistant", call.assistant],
    ["began", at(call.created_at)],
    ["answered", at(call.answered_at)],
    ["ended", at(call.ended_at)],
    ["cause", call.cause],
  ]);
}

function drawLevel(name, dbov) {
  const meter = element(name);
  meter.value = dbov ?? meter.min;
  meter.nextElementSibling.value = dbov === null ? "not heard" : `${dbov.toFixed(0)} dBov`;
}

function drawQuality(quality) {
  fill(element("quality"), Object.entries(QUALITY).map(([name, [label, written]]) => {
    const value = quality[name] ?? null;
    return [label, value === null ? null : written(value)];
  }));
  drawLevel("received-level", quality.received_speech_dbov ?? null);
  drawLevel("sent-level", quality.sent_speech_dbov ?? null);
}

async function showCall() {
  const id = chosen();
  element("call").hidden = !id;
  if (!id) return;
  const about = `v1/calls/${encodeURIComponent(id)}`;
  try {
    const [call, stats, trace] = await Promise.all([
      ask(about).then((response) => response.json()),
      ask(`${about}/stats`).then((response) => response.json()),
      ask(`${about}/trace`).then((response) => response.text(), (error) => error.message),
    ]);
    if (id !== chosen()) return; // another was chosen meanwhile
    calls.set(id, call);
    drawFacts(call);
    drawQuality(stats.quality);
    element("trace").textContent = trace;
    element("trouble").textContent = "";
  } catch (error) {
    element("trouble").textContent = error.message;
  }
}

async function hangUp() {
  try {
    await ask(`v1/calls/${encodeURIComponent(chosen())}/hangup`, { method: "POST" });
  } catch (error) {
    element("trouble").textContent = error.message;
  }
}

// -- following ----------------------------------------------------------------------------------

async function load() {
  const page = await (await ask(`v1/calls?limit=${MOST_CALLS}`)).json();
  calls.clear();
  for (const call of page.calls) calls.set(call.id, call);
  drawCalls();
}

async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (waiting + value).split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const fields = block.split("\n").filter((line) => !line.startsWith(":"));
      yield Object.fromEntries(fields.map((line) => line.split(/: ?(.*)/s, 2)));
    }
  }
}

async function follow() {
  const headers = lastEventId === null ? {} : { "Last-Event-ID": lastEventId };
  const response = await ask("v1/events", { headers });
  await load(); // what happens from here on is in the stream
  show({ calls: true });
  showCall();
  for await (const event of eventsOf(response)) {
    if (event.id) lastEventId = event.id;
    if (event.event === "gap") await load();
    else if (event.data) take(JSON.parse(event.data));
  }
}

// calls: whether they may be seen, else the key is asked for. trouble: with the engine.
function show({ calls: seen, refused = "", trouble = "" }) {
  document.querySelector("main").hidden = !seen;
  element("key").hidden = seen;
  element("refused").textContent = refused;
  element("health").textContent = trouble;
}

async function keepFollowing() {
  for (;;) {
    try {
      await follow();
    } catch (error) {
      if (error instanceof Refused) {
        show({ calls: false, refused: error.message });
        return; // until a key is given
      }
      show({ calls: true, trouble: `The engine does not answer: ${error.message}` });
    }
    await new Promise((resume) => setTimeout(resume, RETRY_MS));
  }
}

element("key").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, event.target.querySelector("input").value);
  event.target.reset();
  keepFollowing();
});
element("hang-up").addEventListener("click", hangUp);
addEventListener("hashchange", () => {
  drawCalls();
  showCall();
});
setInterval(() => {
  if (document.hidden || document.querySelector("main").hidden) return;
  drawCalls(); // how long each has lasted
  const call = calls.get(chosen());
  if (call === undefined || !isOver(call)) showCall();
}, ASK_MS);
keepFollowing();
