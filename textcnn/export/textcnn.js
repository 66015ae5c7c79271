// Classifies texts in a page, a worker or node by the tables that `textcnn export --format tables` wrote:
//   const model = await Model.load("model.tables");
//   model.classify("what a film");  // {label, probability, labels, all, empty, cut}; of numbers: {score, scores, empty, cut},
//                                   // and of grades: {label, probability, probabilities, score, scores, empty, cut}
// textcnn.wasm is textcnn's core in C (core/src/tables.h), which computes the answers; this file only calls it.

const ANSWER = 8; // number of 32-bit fields of a textcnn_answer
const PROBLEM = 256; // bytes reserved for an error message

/** Returns the bytes of a file from the page's server or, in node, from disk; bytes are returned as they are. */
async function bytesOf(source) {
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return source;
  const url = new URL(source, globalThis.location?.href ?? import.meta.url);
  if (url.protocol === "file:") return (await import("node:fs/promises")).readFile(url);
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`expected a file at ${url}, got status ${answer.status}`);
  return answer.arrayBuffer();
}

export class Model {
  #core; #tables; #text = 0; #room = 0;

  /** Loads a model from a tables file; both files are given as URLs or as bytes. */
  static async load(tables, reader = new URL("textcnn.wasm", import.meta.url)) {
    const [bytes, code] = await Promise.all([bytesOf(tables), bytesOf(reader)]);
    const { instance } = await WebAssembly.instantiate(code);
    return new Model(bytes, instance.exports);
  }

  constructor(bytes, core) {
    this.#core = core;
    core._initialize();
    const file = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const place = this.#put(core.malloc(file.length), file), problem = this.#given(core.malloc(PROBLEM));
    this.#tables = core.textcnn_tables_open(place, file.length, problem, PROBLEM);
    if (!this.#tables) throw new Error(this.#string(problem, this.#bytes(problem, PROBLEM).indexOf(0)));
    core.free(problem);
    const size = core.malloc(4), read = (name) => (_, c) => this.#string(name(this.#tables, c, size), this.#words(size, 1)[0]);
    const names = (count, name) => Array.from({ length: count(this.#tables) }, read(name));
    this.labels = names(core.textcnn_tables_num_labels, core.textcnn_tables_label);
    this.grades = names(core.textcnn_tables_num_grades, core.textcnn_tables_grade);
    core.free(size);
  }

  /** Returns the words of a text as the model's tokenizer splits it. */
  words(text) {
    const [place, length] = this.#give(text), size = this.#given(this.#core.malloc(4));
    const start = this.#given(this.#core.textcnn_tables_words(this.#tables, place, length, size));
    const found = this.#string(start, this.#words(size, 1)[0]);
    this.#core.free(size);
    return found.split("\n").slice(0, -1);
  }

  /** Returns the logits of a text, before temperature. */
  logits(text) {
    return this.#answer(text).logits;
  }

  classify(text) {
    const { probabilities, given, best, tokens, seen, likely, grade } = this.#answer(text);
    if (this.#core.textcnn_tables_are_numbers(this.#tables)) {
      const scores = Object.fromEntries(this.labels.map((name, c) => [name, probabilities[c]]));
      const shares = Object.fromEntries(this.grades.map((name, k) => [name, likely[k]]));
      const graded = this.grades.length ? { label: this.grades[grade], probability: likely[grade], probabilities: shares } : {};
      return { ...graded, score: probabilities[0], scores, empty: tokens === 0, cut: seen < tokens };
    }
    const all = this.labels.map((label, c) => ({ label, probability: probabilities[c] }));
    return { ...all[best], labels: all.filter((_, c) => given[c]), all, empty: tokens === 0, cut: seen < tokens };
  }

  #answer(text) {
    const place = this.#given(this.#core.textcnn_tables_classify(this.#tables, ...this.#give(text)));
    const [logits, probabilities, given, best, tokens, seen, grades, grade] = this.#words(place, ANSWER), count = this.labels.length;
    const doubles = (start, size) => new Float64Array(this.#core.memory.buffer.slice(start, start + 8 * size));
    const answer = { logits: doubles(logits, count), probabilities: doubles(probabilities, count), given: this.#bytes(given, count) };
    return { ...answer, likely: doubles(grades, this.grades.length), best, tokens, seen, grade };
  }

  /** Copies a text into the core's memory and returns its address and length; a lone surrogate becomes U+FFFD. */
  #give(text) {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > this.#room) {
      this.#core.free(this.#text);
      this.#room = 2 * bytes.length;
      this.#text = this.#core.malloc(this.#room);
    }
    return [bytes.length ? this.#put(this.#text, bytes) : 0, bytes.length];
  }

  #put(place, bytes) {
    this.#bytes(this.#given(place), bytes.length).set(bytes);
    return place;
  }

  #given(place) {
    if (!place) throw new Error("not enough memory in textcnn.wasm");
    return place;
  }

  // A new view is made for each access: when the memory grows, it becomes another buffer and old views are detached.
  #bytes(place, length) {
    return new Uint8Array(this.#core.memory.buffer, place, length);
  }

  #words(place, count) {
    return new Uint32Array(this.#core.memory.buffer, place, count);
  }

  #string(place, length) {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.#bytes(place, length));
  }
}

/** Loads a model; see Model.load. */
export const load = (tables, reader) => Model.load(tables, reader);
