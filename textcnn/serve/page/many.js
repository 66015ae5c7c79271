// Classifies many texts: pasted lines, or the rows of a file, which can be saved with their labels.
import { parse, separatorOf, write } from "./csv.js";
import { find, make, percent, scoresOf, shortNumber } from "./dom.js";
import { classify, parts } from "./server.js";

const SHOWN = 200; // rows shown in the table; the download has all of them
let file = null; // {name, separator, head, rows}
let run = 0; // number of the latest run; earlier runs must not update the page any more

function labelsOf(row) {
  return row.labels ? row.labels.map((one) => one.label).join("|") : row.label ?? scoresOf(row).map((one) => shortNumber(one[1])).join("|");
}

// The columns of an answer, and what is in them: a label and its probability, or the scores.
const columnsOf = (row) => (row.label === undefined ? scoresOf(row).map(([name]) => name || "score") : ["label", "probability"]);
const valuesOf = (row) => (row.label === undefined ? scoresOf(row).map((one) => one[1]) : [labelsOf(row), row.probability]);
const shownOf = (row) => (row.label === undefined ? scoresOf(row).map((one) => shortNumber(one[1])) : [labelsOf(row), percent(row.probability)]);

async function answers(texts, models, limits, number) {
  const found = models.map(() => []);
  for (const part of parts(texts, limits)) {
    const rows = await Promise.all(models.map((model) => classify({ model, texts: part })));
    if (number !== run) return null;
    rows.forEach((some, m) => found[m].push(...some));
    find("progress").value = found[0].length / texts.length;
    find("many-said").textContent = `${found[0].length} of ${texts.length}`;
  }
  return found;
}

function showTable(texts, models, found) {
  const isNumber = (row, k) => row.label === undefined || k === 1;
  const own = models.flatMap((model, m) => columnsOf(found[m][0]).map((name, k) =>
    [models.length > 1 && k === 0 ? `${model}: ${name}` : name, isNumber(found[m][0], k)]));
  const heads = [["text", false], ...own].map(([name, right]) => make("th", { scope: "col", className: right ? "number" : "" }, name));
  find("rows-head").replaceChildren(...heads);
  const lines = texts.slice(0, SHOWN).map((text, n) => {
    const differ = found.some((rows) => labelsOf(rows[n]) !== labelsOf(found[0][n]));
    const cells = found.flatMap((rows) => shownOf(rows[n]).map((value, k) =>
      isNumber(rows[n], k) ? make("td", { className: "number" }, value) : make("td", {}, make("bdi", {}, value))));
    return make("tr", { className: differ ? "differ" : "" }, make("td", { dir: "auto" }, text.slice(0, 300)), ...cells);
  });
  find("rows").replaceChildren(...lines);
  find("rows-scroll").hidden = !texts.length;
}

function unused(name, head) {
  while (head.includes(name)) name = `model_${name}`;
  return name;
}

function offer(name, separator, head, rows, models, found) {
  const own = models.flatMap((model, m) => columnsOf(found[m][0]).map((one) => (models.length > 1 ? `${model}_${one}` : one)));
  const all = [[...head, ...own.map((one) => unused(one, head))]];
  rows.forEach((row, n) => {
    const cells = [...row, ...Array(Math.max(head.length - row.length, 0)).fill("")];
    all.push([...cells, ...found.flatMap((some) => valuesOf(some[n]))]);
  });
  const link = find("download");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob(["\ufeff", write(all, separator)], { type: "text/csv" })); // spreadsheets need the byte order mark
  link.download = name.replace(/(\.\w+)?$/, (ending) => `-labels${ending || ".csv"}`);
  link.hidden = false;
}

async function classifyAll(texts, models, limits, name, separator, head, rows) {
  const number = ++run;
  find("download").hidden = true;
  find("progress").hidden = false;
  try {
    const found = await answers(texts, models, limits, number);
    if (found === null) return;
    showTable(texts, models, found);
    offer(name, separator, head, rows, models, found);
    const differ = texts.filter((_, n) => found.some((some) => labelsOf(some[n]) !== labelsOf(found[0][n]))).length;
    const shown = texts.length > SHOWN ? `; the first ${SHOWN} are shown` : "";
    find("many-said").textContent = `${texts.length} rows classified${models.length > 1 ? `, ${differ} with different labels` : ""}${shown}`;
  } finally {
    find("progress").hidden = true;
  }
}

function guessColumn({ head, rows }) {
  const named = head.findIndex((name) => /^(text|sentence|review|content|message)$/i.test(name.trim()));
  const lengths = head.map((_, c) => rows.slice(0, 50).reduce((sum, row) => sum + (row[c] ?? "").length, 0));
  return named >= 0 ? named : lengths.indexOf(Math.max(...lengths));
}

async function readFile(chosen) {
  file = null;
  find("classify-file").disabled = true;
  const text = new TextDecoder("utf-8", { fatal: true }).decode(await chosen.arrayBuffer());
  const separator = separatorOf(text), [head, ...rows] = parse(text, separator);
  if (!rows.length) throw new Error("expected a header line and rows below it");
  const wide = rows.findIndex((row) => row.length > head.length);
  if (wide >= 0) throw new Error(`row ${wide + 1} has ${rows[wide].length} cells, the header line has ${head.length}`);
  file = { name: chosen.name, separator, head, rows };
  find("column").replaceChildren(...head.map((name, c) => make("option", { value: String(c) }, name || `column ${c + 1}`)));
  find("column").value = String(guessColumn(file));
  find("column-label").hidden = find("classify-file").disabled = false;
  find("many-said").textContent = `${rows.length} rows in ${chosen.name}`;
}

export function watchMany(models, limits, report) {
  const tried = (work) => async () => {
    report("");
    try {
      await work();
    } catch (error) {
      const message = error instanceof TypeError ? "the file is not UTF-8; save it as UTF-8 and choose it again" : error.message;
      report(message, error.status);
    }
  };
  find("classify-lines").addEventListener("click", tried(() => {
    const texts = find("lines").value.split("\n").filter((line) => line.trim());
    if (texts.length) return classifyAll(texts, models(), limits(), "lines.csv", ",", ["text"], texts.map((text) => [text]));
  }));
  find("file").addEventListener("change", tried(async () => {
    if (find("file").files.length) await readFile(find("file").files[0]);
  }));
  find("classify-file").addEventListener("click", tried(() => {
    const column = Number(find("column").value);
    const texts = file.rows.map((row) => row[column] ?? "");
    return classifyAll(texts, models(), limits(), file.name, file.separator, file.head, file.rows);
  }));
}
