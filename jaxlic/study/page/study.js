"use strict";
// One session of a study. Every answer is put into this browser's storage before it is sent, and
// leaves it when the server says that it is stored: neither a reload nor a dead server loses one.

const KEPT = "jaxlic-study";
const $ = (id) => document.getElementById(id);
const SCREENS = ["welcome", "trial", "pause", "small", "done"];

let words, session, trials = [], blockEnds = new Set(), place = 0, total = 0, turns = 0;
let screenNow = "welcome", started = 0, toggles = 0, ready = false, sending = false;
const flicker = { frame: 0, phases: 0, first: 0, last: 0, longest: 0 };

function kept() {
  try { return JSON.parse(localStorage.getItem(KEPT)) || { queue: [] }; } catch { return { queue: [] }; }
}
function keep(change) { localStorage.setItem(KEPT, JSON.stringify({ ...kept(), ...change })); }

async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

function show(name) {
  screenNow = name;
  for (const id of SCREENS) $(id).hidden = id !== name;
  document.body.classList.toggle("asking", name === "trial");
  if (name !== "trial") stopFlicker();
}

// Sizes: a pixel of the picture on a pixel of the display.
const ratio = () => devicePixelRatio * (window.visualViewport ? visualViewport.scale : 1);
function fits() {
  const wide = Math.ceil((2 * words.width) / ratio()) + 16, high = Math.ceil(words.height / ratio()) + 40;
  $("needed").textContent = `${wide} by ${high}`;
  $("had").textContent = `${innerWidth} by ${innerHeight}`;
  return innerWidth >= wide && innerHeight >= high;
}

function welcome() {
  document.title = words.title;
  $("title").textContent = words.title;
  $("consent").textContent = words.consent;
  $("contact").textContent = words.contact && `Questions: ${words.contact}`;
  $("count").textContent = `There are ${words.count} questions, with pauses.`;
  const boosted = words.flicker > 0;
  $("task").textContent = "You see two pictures that were made from one original photograph. "
    + (boosted ? "Each changes to and fro with the original; differences are made larger than they are. "
      : "Both change to the original when you ask for it. ")
    + "Each time, say which of the two differs more from the original.";
  const rows = ["Left or right: the buttons, or the arrow keys"];
  if (words.kind === "ab") rows.push("If you cannot tell, guess");
  else rows.push("Not sure: the button in the middle, or the arrow down");
  if (!boosted) rows.push("Show the original and go back: the button, or the space bar; do so at least once each time");
  $("keys").replaceChildren(...rows.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  $("photosensitivity").hidden = !boosted;
  $("hertz").textContent = words.flicker;
  $("answer-unsure").hidden = words.kind === "ab";
  $("toggle").hidden = boosted;
  const tick = () => { $("begin").disabled = !($("agree").checked && (!boosted || $("steady").checked)); };
  $("agree").onchange = $("steady").onchange = tick;
  $("begin").onclick = begin;
  show("welcome");
  tick();
}

async function begin() {
  $("begin").disabled = true;
  try {
    const reply = await post("begin", { consent: true });
    if (!reply.ok) throw new Error(await reply.text());
    const found = await reply.json();
    keep({ session: found.session, reloads: 0, queue: [] });
    take(found);
  } catch (error) {
    $("trouble").textContent = `The study could not begin: ${error.message}`;
    $("begin").disabled = false;
  }
}

function take(found) {
  session = found.session;
  const done = new Set([...found.answered, ...kept().queue.map((answer) => answer.question)]);
  const all = found.blocks.flat();
  total = all.length;
  blockEnds = new Set(found.blocks.map((block) => block[block.length - 1].question));
  trials = all.filter((trial) => !done.has(trial.question));
  place = 0;
  flush();
  next();
}

function next() {
  if (place >= trials.length) { finish(); return; }
  if (!fits()) { show("small"); return; }
  show("trial");
  ask();
}

async function ask() {
  const trial = trials[place], turn = ++turns;
  const current = () => turn === turns && screenNow === "trial";
  stopFlicker();
  ready = false; toggles = 0;
  original(false);
  $("stage").classList.add("waiting");
  buttons();
  const [left, pivot, right] = trial.files.map((file) => `pictures/${file}`);
  const sources = { left, right, "left-original": pivot, "right-original": pivot };
  for (const [id, source] of Object.entries(sources)) {
    $(id).src = source;
    $(id).style.width = `${trial.size[0] / ratio()}px`;
    $(id).style.height = `${trial.size[1] / ratio()}px`;
  }
  const answered = total - trials.length + place;
  $("bar").value = answered / total;
  $("place").textContent = `${answered + 1} of ${total}`;
  try {
    await Promise.all(Object.keys(sources).map((id) => $(id).decode()));
  } catch {
    if (current()) setTimeout(() => { if (current()) next(); }, 1000);
    return;
  }
  if (!current()) return;
  $("stage").classList.remove("waiting");
  requestAnimationFrame(() => requestAnimationFrame((now) => {
    if (!current()) return;
    started = now; ready = true;
    buttons();
    if (words.flicker > 0) startFlicker(now);
  }));
  const after = trials[place + 1];
  if (after) for (const file of after.files) new Image().src = `pictures/${file}`;
}

function buttons() {
  const seen = ready && (words.flicker > 0 || toggles > 0);
  for (const id of ["answer-left", "answer-unsure", "answer-right"]) $(id).disabled = !seen;
  $("toggle").disabled = !ready;
  if (words.flicker > 0) return;
  const shown = $("stage").classList.contains("original");
  $("shown").textContent = shown ? "This is the original." : toggles ? "These are the two pictures."
    : "These are the two pictures. Look at the original before you answer.";
  $("toggle").firstChild.textContent = shown ? "Back to the pictures" : "Show the original";
}

function original(on) { $("stage").classList.toggle("original", on); }
function toggle() {
  if (!ready || words.flicker > 0 || screenNow !== "trial") return;
  const on = !$("stage").classList.contains("original");
  if (on) toggles += 1;
  original(on);
  buttons();
}

// The phase follows the display's clock; what was really shown is measured frame by frame.
function startFlicker(now) {
  stopFlicker();
  Object.assign(flicker, { phases: 0, first: now, last: now, longest: 0 });
  let phase = 0;
  const step = (time) => {
    const due = Math.floor(((time - flicker.first) * words.flicker) / 1000 + 0.05);
    if (due !== phase) {
      phase = due;
      original(due % 2 === 1);
      flicker.phases += 1;
      flicker.longest = Math.max(flicker.longest, time - flicker.last);
      flicker.last = time;
    }
    flicker.frame = requestAnimationFrame(step);
  };
  flicker.frame = requestAnimationFrame(step);
}
function stopFlicker() { cancelAnimationFrame(flicker.frame); flicker.frame = 0; }

function answer(response) {
  if (!ready || screenNow !== "trial" || (words.flicker === 0 && toggles === 0)) return;
  if (words.kind === "ab" && response === "not sure") return;
  const trial = trials[place];
  ready = false;
  stopFlicker();
  const flickered = words.flicker > 0 && flicker.phases > 0;
  const row = {
    session, question: trial.question, response,
    response_time: (performance.now() - started) / 1000, toggles, reloads: kept().reloads || 0,
    pixel_ratio: ratio(), screen_width: screen.width, screen_height: screen.height,
    window_width: innerWidth, window_height: innerHeight,
    phases: flickered ? flicker.phases : 0,
    phase_mean: flickered ? (flicker.last - flicker.first) / flicker.phases : 0,
    phase_longest: flickered ? flicker.longest : 0,
  };
  keep({ queue: [...kept().queue, row] });
  flush();
  place += 1;
  if (blockEnds.has(trial.question) && place < trials.length) rest("A pause");
  else next();
}

function rest(title) {
  $("pause").querySelector("h1").textContent = title;
  $("left-over").textContent = `${total - trials.length + place} of ${total} questions are answered.`;
  show("pause");
  $("go-on").focus();
}

async function flush() {
  if (sending) return;
  sending = true;
  try {
    for (let queue = kept().queue; queue.length; queue = kept().queue) {
      const reply = await post("answer", queue[0]);
      // 410: of another study that was here before. 400 cannot be mended by sending it again.
      if (!reply.ok && reply.status !== 410 && reply.status !== 400) throw new Error(reply.status);
      keep({ queue: kept().queue.slice(1) });
    }
    $("offline").hidden = true;
  } catch {
    $("offline").hidden = false;
    setTimeout(flush, 1500);
  } finally {
    sending = false;
    if (screenNow === "done") finish();
  }
}

function finish() {
  show("done");
  const left = kept().queue.length;
  $("finished").textContent = left ? `${left} answers are still being sent. Please leave this page open.`
    : "That was the last question. All your answers are stored; you may close this page.";
}

addEventListener("keydown", (event) => {
  if (event.repeat || screenNow !== "trial") return;
  const key = { ArrowLeft: "left", ArrowDown: "not sure", ArrowRight: "right" }[event.key];
  if (key) { event.preventDefault(); answer(key); }
  else if (event.key === " ") { event.preventDefault(); toggle(); }
  else if (event.key === "Escape") rest("Paused");
});
addEventListener("resize", () => {
  if ((screenNow === "trial" && !fits()) || (screenNow === "small" && fits())) next();
  else if (screenNow === "trial") ask();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden && screenNow === "trial") rest("Paused");
});

addEventListener("DOMContentLoaded", async () => {
  $("answer-left").onclick = () => answer("left");
  $("answer-unsure").onclick = () => answer("not sure");
  $("answer-right").onclick = () => answer("right");
  $("toggle").onclick = toggle;
  $("stop").onclick = () => rest("Paused");
  $("go-on").onclick = next;
  for (;;) {
    try {
      words = await (await fetch("words")).json();
      const before = kept();
      const reply = before.session ? await post("resume", { session: before.session }) : null;
      if (reply && reply.ok) {
        keep({ reloads: (before.reloads || 0) + 1 });
        take(await reply.json());
      } else if (reply && reply.status !== 410) throw new Error(reply.status);
      else {
        localStorage.removeItem(KEPT);
        welcome();
      }
      $("offline").hidden = true;
      return;
    } catch {
      $("offline").hidden = false;
      await new Promise((done) => setTimeout(done, 1500));
    }
  }
});
