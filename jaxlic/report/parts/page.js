"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const records = JSON.parse(data.files.json).records;
const $ = id => document.getElementById(id);
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const fill = (select, items) => items.forEach(([value, text]) => select.append(new Option(text, value)));
const shown = (value, digits) => value === null || value === undefined ? "–" : typeof value === "number"
  ? value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits}) : value;
const badge = g => make("span", ["generated: " + g.kind, ...["level", "strength", "seed"]
  .filter(key => key in g).map(key => `${key} ${g[key]}`)].join(", "), "badge");

// Tooltips of the curves, in the place of the browser's slow ones.
for (const point of document.querySelectorAll(".point, .published circle")) {
  const title = point.querySelector("title"), text = title.textContent;
  const show = event => {
    title.textContent = "";
    $("tip").textContent = text;
    $("tip").hidden = false;
    $("tip").style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - $("tip").offsetWidth - 4)) + "px";
    $("tip").style.top = Math.max(4, event.clientY - $("tip").offsetHeight - 12) + "px";
  };
  point.addEventListener("pointerenter", show);
  point.addEventListener("pointerdown", show);
  point.addEventListener("pointerleave", () => { title.textContent = text; $("tip").hidden = true; });
}

// BD-rates.
const drawRates = () => {
  const {rates, range} = data.bd[$("bd-metric").value];
  $("bd").tBodies[0].replaceChildren(...data.codecs.map(codec => {
    const row = make("tr"), found = (rates[$("bd-anchor").value] || {})[codec];
    const sign = value => (value > 0 ? "+" : "") + shown(value, 1);
    row.append(make("th", codec), make("td", codec === $("bd-anchor").value ? "0 (anchor)" : found ? sign(found[0]) : "–", "number"),
      make("td", found && found[1] ? `${sign(found[1][0])} to ${sign(found[1][1])}` : "–", "number"));
    row.firstChild.scope = "row";
    return row;
  }));
  $("bd-range").textContent = `Over ${shown(range[0], 2)} to ${shown(range[1], 2)} bits a pixel. – : the curve does not cover enough of it, or there is no interval.`;
};
fill($("bd-anchor"), data.codecs.map(codec => [codec, codec]));
fill($("bd-metric"), Object.entries(data.bd).map(([metric, {name}]) => [metric, name]));
for (const id of ["bd-anchor", "bd-metric"]) $(id).addEventListener("change", drawRates);
drawRates();

// Two pictures at equal bytes.
const images = data.compare.images, place = {x: 0.5, y: 0.5};
const pick = name => {
  const image = images[$("image").value];
  return name === "original" ? {picture: image.original} : image.rates[$("rate").value][name];
};
const moveLoupe = () => {
  const [, , width, height] = images[$("image").value].crop, zoom = +$("zoom").value;
  for (const lens of document.querySelectorAll(".lens img")) {
    const side = lens.parentElement.clientWidth;
    lens.style.width = width * zoom + "px";
    lens.style.left = side / 2 - place.x * width * zoom + "px";
    lens.style.top = side / 2 - place.y * height * zoom + "px";
  }
};
const look = () => {
  const image = images[$("image").value], mode = document.querySelector("[name=mode]:checked").value;
  const names = [$("left").value, $("right").value], [left, right] = names.map(pick);
  const original = {picture: image.original}, [, , width, height] = image.crop;
  const [over, under] = {slider: [left, right], difference: [left, right], left: [left, original], right: [right, original]}[mode];
  const label = name => `${image.name}, ${name}${pick(name).bytes ? `, ${shown(pick(name).bytes, 0)} bytes` : ""}`;
  for (const [id, from, alt] of [["over", over, mode === "right" ? names[1] : names[0]], ["under", under, mode === "slider" || mode === "difference" ? names[1] : "original"],
    ["lens-original", original, "original"], ["lens-left", left, names[0]], ["lens-right", right, names[1]]]) {
    $(id).src = data.pictures[from.picture];
    $(id).alt = label(alt);
  }
  const actual = $("actual").checked;
  $("stage").className = (mode === "slider" ? "" : "error") + (actual ? " actual" : "");
  $("stage").style.aspectRatio = `${width} / ${height}`;
  $("stage").style.width = actual ? width / devicePixelRatio + "px" : "100%";
  $("stage").style.maxWidth = actual ? "none" : width + "px";
  $("stage").style.setProperty("--times", $("times").value);
  const tags = {slider: names, difference: [`${names[0]} against ${names[1]}, times ${$("times").value}`, ""],
    left: [`error of ${names[0]}, times ${$("times").value}`, ""], right: [`error of ${names[1]}, times ${$("times").value}`, ""]}[mode];
  ["left", "right"].forEach((side, i) => {
    const generated = (mode === "slider" ? [left, right][i] : i ? {} : mode === "right" ? right : left).generated;
    $("tag-" + side).replaceChildren(tags[i], ...(generated ? [badge(generated)] : []));
    $("tag-" + side).hidden = !tags[i];
    $(`lens-${side}-name`).textContent = names[i];
  });
  $("mismatch").className = "";
  if (left.bytes && right.bytes) {
    const off = 100 * (left.bytes / right.bytes - 1);
    $("mismatch").textContent = `${names[0]} has ${shown(Math.abs(off), 2)} % ${off < 0 ? "fewer" : "more"} bytes than ${names[1]}.`;
    if (Math.abs(off) > 2) $("mismatch").className = "off";
  } else $("mismatch").textContent = "The original has no size to compare.";
  const head = make("tr");
  head.append(make("th", "Codec"), ...["quality", "bytes", "bits a pixel", "off the budget, %", ...data.metrics.map(([, name]) => name), "notes"].map(text => make("th", text, "number")));
  $("facts").tHead.replaceChildren(head);
  $("facts").tBodies[0].replaceChildren(...names.filter(name => name !== "original").map(name => {
    const found = pick(name), row = make("tr");
    row.append(make("th", name), ...[[found.quality, found.quality % 1 ? 2 : 0], [found.bytes, 0], [found.bpp, 3], [found.mismatch, 2],
      ...data.metrics.map(([key, , digits]) => [found[key], digits])].map(([value, digits]) => make("td", shown(value, digits), "number")));
    row.firstChild.scope = "row";
    const notes = row.appendChild(make("td"));
    if (found.generated) notes.append(badge(found.generated));
    return row;
  }));
  moveLoupe();
};
const cut = () => $("stage").style.setProperty("--cut", $("cut").value + "%");
const mode = () => document.querySelector("[name=mode]:checked").value;
const flip = () => {
  if (mode() === "left" || mode() === "right") return choose(mode() === "left" ? "right" : "left");
  $("cut").value = +$("cut").value > 50 ? 0 : 100;
  cut();
};
const choose = mode => { document.querySelector(`[name=mode][value=${mode}]`).checked = true; look(); };
const turn = by => { $("image").value = (+$("image").value + by + images.length) % images.length; look(); };
if (images.length) {
  fill($("image"), images.map((image, i) => [i, image.name]));
  fill($("rate"), data.compare.rates.map((rate, i) => [i, `about ${rate} bits a pixel`]));
  for (const id of ["left", "right"]) fill($(id), [...data.codecs, "original"].map(name => [name, name]));
  [$("left").value, $("right").value] = data.compare.pair;
  for (const id of ["image", "rate", "left", "right", "times", "actual"]) $(id).addEventListener("change", look);
  $("zoom").addEventListener("change", moveLoupe);
  document.querySelectorAll("[name=mode]").forEach(radio => radio.addEventListener("change", look));
  $("cut").addEventListener("input", cut);
  $("flip").addEventListener("click", flip);
  const follow = event => {
    const box = $("stage").getBoundingClientRect();
    place.x = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    place.y = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    moveLoupe();
  };
  $("stage").addEventListener("pointermove", follow);
  $("stage").addEventListener("pointerdown", follow);
  addEventListener("resize", moveLoupe);
  $("loupe").addEventListener("keydown", event => {
    const by = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!by || event.target !== $("loupe")) return;
    event.preventDefault();
    place.x = Math.min(1, Math.max(0, place.x + 0.02 * by[0]));
    place.y = Math.min(1, Math.max(0, place.y + 0.02 * by[1]));
    moveLoupe();
  });
  const commands = {f: flip, s: () => choose("slider"), d: () => choose("difference"), 1: () => choose("left"), 2: () => choose("right"), n: () => turn(1), p: () => turn(-1)};
  addEventListener("keydown", event => {
    const command = commands[event.key.toLowerCase()];
    if (!command || !$("keys").checked || event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    event.preventDefault();
    command();
  });
  look();
} else document.querySelectorAll("#compare > :not(h2):not(p:first-of-type)").forEach(part => { part.hidden = true; });

// Image by image.
const order = {key: "psnr", down: false}, columns = data.columns;
const settings = [...new Set(records.map(r => JSON.stringify([r.codec, r.quality])))].map(text => JSON.parse(text));
const better = key => !/^(psnr|ssim|ms_ssim|agreement)/.test(key) ? -1 : 1;  // Of numbers where more is worse: -1.
const drawTable = () => {
  const setting = $("setting").value, [codec, quality] = setting === "all" ? [] : settings[+setting];
  let rows = records.filter(r => setting === "all" || r.codec === codec && r.quality === quality);
  const worst = $("worst").getAttribute("aria-pressed") === "true", sign = worst ? better(order.key) : order.down ? -1 : 1;
  rows.sort((a, b) => {
    const [x, y] = [a[order.key], b[order.key]];
    if (x === y || (x === null || x === undefined) && (y === null || y === undefined)) return 0;
    if (x === null || x === undefined || y === null || y === undefined) return x === null || x === undefined ? 1 : -1;
    return sign * (x < y ? -1 : 1);
  });
  const total = rows.length;
  rows = rows.slice(0, worst ? 10 : 2000);
  $("records").tBodies[0].replaceChildren(...rows.map(r => {
    const row = make("tr");
    row.append(...columns.map(([key, , digits]) => {
      const at = key === "image" ? images.findIndex(image => image.name === r.image) : -1;
      const text = shown(r[key], key === "quality" && r.quality % 1 ? 2 : digits);
      const cell = make(key === "image" ? "th" : "td", at >= 0 ? undefined : key === "note" ? r.note || "" : text, key === "note" ? "wide" : digits === null ? "" : "number");
      if (key === "note" && r.generated) cell.append(" ", badge(r.generated));
      if (at >= 0) {
        const button = cell.appendChild(make("button", r.image));
        button.type = "button";
        button.setAttribute("aria-label", `Look at ${r.image}`);
        button.addEventListener("click", () => { $("image").value = at; if (r.codec !== $("right").value) $("left").value = r.codec; look(); $("compare").scrollIntoView(); $("image").focus(); });
      }
      return cell;
    }));
    row.firstChild.scope = "row";
    return row;
  }));
  $("worst-by").textContent = (columns.find(([key]) => key === order.key) || ["", order.key])[1];
  $("shown").textContent = `${rows.length} of ${total} rows.`;
  [...$("records").tHead.rows[0].cells].forEach((cell, i) => {
    if (columns[i][0] === order.key) cell.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
};
for (const [key, name, digits] of columns) {
  const cell = make("th", undefined, digits === null ? "" : "number");
  cell.scope = "col";
  const button = cell.appendChild(make("button", name));
  button.type = "button";
  button.addEventListener("click", () => {
    order.down = order.key === key ? !order.down : false;
    order.key = key;
    if ($("worst").getAttribute("aria-pressed") === "true" && digits === null) $("worst").setAttribute("aria-pressed", "false");
    drawTable();
  });
  $("records").tHead.rows[0].append(cell);
}
fill($("setting"), settings.map(([codec, quality], i) => [i, `${codec} at quality ${quality}`]));
fill($("setting"), [["all", "all (at most 2,000 rows)"]]);
$("setting").value = data.setting;
$("setting").addEventListener("change", drawTable);
$("worst").addEventListener("click", () => {
  const on = $("worst").getAttribute("aria-pressed") !== "true";
  $("worst").setAttribute("aria-pressed", on);
  if (on && (columns.find(([key]) => key === order.key) || [])[2] === null) order.key = "psnr";
  drawTable();
});
drawTable();

for (const [id, type] of [["csv", "text/csv"], ["json", "application/json"]]) $(id).addEventListener("click", () => {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([data.files[id]], {type}));
  link.download = "records." + id;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});
})();
