// Classifies one text: shows the probabilities, and colours the words by their contribution to the label's logit.
import { find, make, percent, scoresOf, shortNumber } from "./dom.js";
import { classify, labelsOf } from "./server.js";

const SHOWN = 10; // labels and words listed
const DELAY = 200; // milliseconds without a key press before a request is sent

// Colours the text by the contribution of each character. Offsets are Python's, which count characters and not UTF-16
// units: hence the array of characters.
function highlighted(text, why) {
  const characters = Array.from(text), added = new Float64Array(characters.length);
  const terms = why.other.flatMap((term) => term.terms ?? []);
  for (const { start, end, contribution } of [...why.words, ...terms])
    for (let i = start; i < end; i++) added[i] += contribution;
  const strongest = Math.max(...added.map(Math.abs), 1e-9), pieces = [];
  for (let start = 0, end; start < characters.length; start = end) {
    for (end = start + 1; end < characters.length && added[end] === added[start]; ) end++;
    const piece = characters.slice(start, end).join(""), share = added[start] / strongest;
    if (Math.abs(share) < 0.05) pieces.push(piece);
    else {
      const mark = make("mark", { className: share > 0 ? "for" : "against", title: `${signed(added[start])}` }, piece);
      mark.style.setProperty("--strength", percent(Math.abs(share)).replace(" ", ""));
      pieces.push(mark);
    }
  }
  return make("p", { className: "highlighted", dir: "auto" }, ...pieces);
}

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

// Lists the words by their total contribution, for users who cannot see the colours.
function strongestWords(text, why) {
  const characters = Array.from(text), sums = new Map();
  for (const { start, end, contribution } of [...why.words, ...why.other.flatMap((term) => term.terms ?? [])]) {
    const word = characters.slice(start, end).join("");
    if (word) sums.set(word, (sums.get(word) ?? 0) + contribution);
  }
  const sorted = [...sums].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, SHOWN);
  const items = sorted.map(([word, sum]) =>
    make("li", {}, make("span", { className: "amount" }, signed(sum)), " ", make("bdi", {}, word)));
  return make("details", {}, make("summary", {}, "Contributions of words and phrases"), make("ul", { className: "words" }, ...items));
}

function probabilities(row) {
  const lines = row.top.map(({ label, probability }) => {
    const bar = make("span", { className: "bar", "aria-hidden": "true" });
    bar.style.width = percent(probability).replace(" ", "");
    const given = row.labels ? row.labels.some((one) => one.label === label) : label === row.label;
    return make("tr", { className: given ? "given" : "" }, make("th", { scope: "row" }, make("bdi", {}, label)),
      make("td", { className: "number" }, percent(probability)), make("td", { className: "bars" }, bar));
  });
  return make("table", { className: "probabilities" }, make("caption", { className: "visually-hidden" }, "Probabilities"),
    make("tbody", {}, ...lines));
}

// Draws the way down the tree of labels: each node below the one that it is a part of, with its probability.
function path(nodes) {
  const [{ label, probability }, ...below] = nodes;
  const bar = make("span", { className: "bar", "aria-hidden": "true" });
  bar.style.width = percent(probability).replace(" ", "");
  return make("ul", { className: "path" }, make("li", {}, make("bdi", {}, label), " ", make("span", { className: "amount" }, percent(probability)),
    make("span", { className: "bars" }, bar), ...(below.length ? [path(below)] : [])));
}

// A score on the range of the training rows; beyond it, at the end.
function scale(value, { name, low, high }) {
  const place = Math.min(Math.max((value - low) / (high - low), 0), 1), point = make("span", { className: "point", "aria-hidden": "true" });
  point.style.left = percent(place).replace(" ", "");
  return make("div", { className: "scale" }, make("span", { className: "number" }, shortNumber(low)),
    make("span", { className: "line", title: `${name}: ${shortNumber(value)}` }, point), make("span", { className: "number" }, shortNumber(high)));
}

const givenOf = (row) => (row.labels ? row.labels.map((one) => one.label).join(", ") || "no label" : row.label)
  ?? scoresOf(row).map(([name, value]) => (name ? `${name} ${shortNumber(value)}` : shortNumber(value))).join(", ");

function answer(model, row, notes, targets) {
  const given = givenOf(row);
  const parts = [make("h3", {}, make("bdi", { className: "model" }, model), ": ", make("strong", { className: "label" }, make("bdi", {}, given)))];
  if (row.path?.length) parts.push(path(row.path));
  if (row.top) parts.push(probabilities(row));
  const reasons = [row.explanation ?? []].flat(), scores = scoresOf(row);
  for (let k = 0; k < Math.max(scores.length, reasons.length, 1); k++) {
    if (scores.length > 1) parts.push(make("h4", {}, make("bdi", {}, scores[k][0])));
    if (scores[k] && targets[k]) parts.push(scale(scores[k][1], targets[k]));
    if (reasons[k]) parts.push(highlighted(row.text, reasons[k]), strongestWords(row.text, reasons[k]));
  }
  for (const flag of row.flags) parts.push(make("p", { className: "note" }, flag === "empty" ? "The text has no words: the answer comes from the model's bias alone." : `Flag: ${flag}`));
  if (notes) parts.push(make("p", { className: "note" }, notes));
  return make("article", { "aria-label": `Answer of ${model}` }, ...parts);
}

async function asked(model, text, signal) {
  const { targets } = await labelsOf(model);
  const request = { model, texts: [text], ...(targets.length ? {} : { top_k: SHOWN }) };
  try {
    return [model, (await classify({ ...request, explain: "full" }, signal))[0], "", targets];
  } catch (error) {
    if (![422, 501].includes(error.status)) throw error;
    return [model, (await classify(request, signal))[0], `No explanation: ${error.message}`, targets]; // the model does not support it
  }
}

export function watchText(models, report) {
  let timer = 0, running = new AbortController();
  async function show() {
    running.abort();
    const { signal } = (running = new AbortController());
    const text = find("text").value;
    if (!text) {
      find("answers").replaceChildren();
      find("said").textContent = "";
      return;
    }
    try {
      const found = await Promise.all(models().map((model) => asked(model, text, signal)));
      if (signal.aborted) return;
      find("answers").replaceChildren(...found.map((one) => answer(...one)));
      find("said").textContent = found.map(([model, row]) => `${model}: ${givenOf(row)}${row.label === undefined ? "" : `, ${percent(row.probability)}`}`).join("; ");
      report("");
    } catch (error) {
      if (error.name !== "AbortError") report(error.message, error.status);
    }
  }
  find("text").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, DELAY);
  });
  return show;
}
