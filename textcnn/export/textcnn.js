// Classifies texts in a browser (or node) by the tables that `textcnn export --format tables` wrote:
//   const model = await load("model.safetensors");
//   model.classify("what a film");  // {label, probability, labels, all, empty, cut}
// Numbers are made as textcnn's look-up runtime makes them: sums of whole numbers in float64, of float32 in its order.

const ARRAYS = { F64: Float64Array, F32: Float32Array, I32: Int32Array, I8: Int8Array, U8: Uint8Array };
const BLANK = 0, WORD = 1, MOVES = 4; // kinds of characters
const UNIT = 2 ** -36, WIDE_UNIT = 2 ** -24, LARGEST_WEIGHT = 2 ** 14, MOST_ROWS = 4096;

export async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`expected tables at ${url}, got status ${answer.status}`);
  return new Model(await answer.arrayBuffer());
}

/** The tensors of a safetensors file, and the metadata that say what they are. */
function readTensors(buffer) {
  const start = 8 + Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__: metadata, ...entries } = JSON.parse(new TextDecoder().decode(buffer.slice(8, start)));
  const about = JSON.parse(metadata?.textcnn ?? "{}"), version = about.tables_version;
  if (version !== 2) throw new Error(`expected a file of \`textcnn export\` with tables_version 2, got ${version}`);
  const read = ({ dtype, data_offsets: [first, last] }) => new ARRAYS[dtype](buffer.slice(start + first, start + last));
  const tensors = Object.entries(entries).map(([name, entry]) => [name, read(entry)]);
  return { tensors: Object.fromEntries(tensors), about };
}

export class Model {
  constructor(buffer) {
    const { tensors, about } = readTensors(buffer);
    Object.assign(this, { tensors, about, labels: about.labels, rows: new Map() });
    const { "vectors.int8": whole, "vectors.int8_scale": scale } = tensors; // in place of `vectors`
    if (whole) tensors.vectors = Float32Array.from(whole, (value, n) => value * scale[Math.floor(n / about.dim)]);
    this.ids = new Map(new TextDecoder().decode(tensors.vocabulary).split("\n").map((name, id) => [name, id]));
    this.kinds = new Uint8Array(0x110000);
    tensors.kind_starts.forEach((start, run) => this.kinds.fill(tensors.kinds[run], start));
    this.lower = new Map(Object.entries(this.about.lower));
    this.rowOf = new Int32Array(this.about.subwords?.ngram_buckets ?? 0).fill(-1);
    tensors.buckets?.forEach((bucket, row) => (this.rowOf[bucket] = row));
  }

  /** A text after the steps of the model's normalizer. */
  normal(text) {
    const apply = (text, [step, pattern, content]) => {
      if (step === "Replace") return text.replace(new RegExp(pattern, "gu"), content);
      if (step === "Lowercase") return [...text].map((char) => this.lower.get(char) ?? char).join("");
      let normal = "", moving = "";
      for (const char of text + "\n") {
        if (this.kinds[char.codePointAt(0)] & MOVES) moving += char;
        else [normal, moving] = [normal + moving.normalize(step) + char, ""];
      }
      return normal;
    };
    return this.about.steps.reduce(apply, text.replace(/[\ud800-\udfff]/gu, "\ufffd"));
  }

  /** The words that the model looks up. */
  words(text) {
    const kind = (char) => this.kinds[char.codePointAt(0)], found = [], all = [...this.normal(text)];
    const isWord = (place) => place < all.length && (kind(all[place]) & 3) === WORD;
    for (let place = 0; place < all.length; ) {
      const start = place++;
      while (isWord(start) && isWord(place)) place++;
      if (isWord(start) && all[place] === "'" && isWord(place + 1)) while (isWord(++place));
      if ((kind(all[start]) & 3) !== BLANK) found.push(all.slice(start, place).join(""));
    }
    return found;
  }

  /** Each word with the number of its type; words without one are composed of their n-grams, or unknown. */
  encode(text) {
    return this.words(text).map((word) => {
      if (this.ids.has(word)) return { key: word, id: this.ids.get(word) };
      const ngrams = this.ngrams(word);
      return ngrams.length ? { key: word, id: this.ids.size, ngrams } : { key: null, id: this.about.unknown_id };
    });
  }

  /** Rows of the n-grams of an unseen word that were trained. */
  ngrams(word) {
    const rule = this.about.subwords, chars = [..."<", ...word, ">"], found = [];
    let left = rule?.ngrams_per_token ?? Infinity;
    for (let size = rule?.ngram_min; size <= rule?.ngram_max; size++) {
      for (let start = 0; start + size <= chars.length && left-- > 0; start++) {
        const bytes = new TextEncoder().encode(chars.slice(start, start + size).join(""));
        const code = bytes.reduce((code, byte) => Math.imul(code ^ byte, 16777619) >>> 0, 2166136261); // FNV-1a
        const row = this.rowOf[code % rule.ngram_buckets];
        if (row >= 0) found.push(row);
      }
    }
    return found;
  }

  vector({ id, ngrams }) {
    const { vectors, ngram_vectors: table } = this.tensors, dim = this.about.dim;
    if (!ngrams) return vectors.subarray(id * dim, (id + 1) * dim);
    const width = this.about.ngram_dim, sum = new Float32Array(width), vector = new Float32Array(dim);
    for (const row of ngrams) for (let d = 0; d < width; d++) sum[d] += table[row * width + d];
    for (let d = 0; d < width; d++) vector[dim - width + d] = sum[d] / ngrams.length;
    return vector;
  }

  /** What a word adds: `products` to the windows (a number for each tap of each filter), `means` to the logits. */
  row(token) {
    if (this.rows.has(token.key)) return this.rows.get(token.key);
    const { weights, weight_scales: scales } = this.tensors, { dim, num_taps: taps } = this.about;
    const vector = this.vector(token), largest = vector.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    const exponent = (new Uint32Array(Float32Array.of(largest).buffer)[0] >>> 23) - 126; // of the power of two above it
    const scale = 2 ** (exponent - this.about.vector_bits), products = new Float64Array(scales.length);
    const whole = Float64Array.from(vector, (value) => rounded(value / scale));
    for (let k = 0; k < products.length; k++) {
      for (let d = 0; d < dim; d++) products[k] += whole[d] * weights[k * dim + d];
      products[k] *= scale * scales[k];
    }
    const means = products.slice(taps).map((value) => rounded(value / UNIT));
    const row = { products: Float32Array.from(products.subarray(0, taps)), means };
    if (this.rows.size >= MOST_ROWS) this.rows.clear();
    this.rows.set(token.key, row);
    return row;
  }

  /** Logits of a text, before temperature. */
  logits(text) {
    const tokens = this.encode(text), seen = tokens.slice(0, this.about.max_length ?? tokens.length);
    const { bias, head } = this.tensors, rows = seen.map((token) => this.row(token)), wide = this.wide(tokens);
    const logits = new Float64Array(bias.length);
    this.features(rows).forEach((feature, f) => {
      for (let c = 0; c < logits.length; c++) logits[c] += feature * head[f * logits.length + c];
    });
    for (let c = 0; c < logits.length; c++) {
      const sum = rows.reduce((total, { means }) => total + (means[c] ?? 0), 0);
      logits[c] += (Math.floor(sum / Math.max(rows.length, 1)) + Math.floor(wide[c] / 4096) + bias[c]) * UNIT;
    }
    return { logits, tokens, seen };
  }

  /** The largest score of every filter over the windows, which reach over both ends, and its activation. */
  features(rows) {
    const { sizes, num_filters: width, activation } = this.about, filterBias = this.tensors.filter_bias;
    const found = new Float32Array(filterBias.length), sums = new Float32Array(width);
    if (!rows.length) return found;
    let tap = 0;
    sizes.forEach((size, group) => {
      const best = found.subarray(group * width, (group + 1) * width).fill(-Infinity);
      for (let start = 1 - size; start < rows.length; start++) {
        sums.fill(0);
        for (let i = Math.max(0, -start); i < size && start + i < rows.length; i++) {
          const products = rows[start + i].products.subarray((tap + i) * width);
          for (let f = 0; f < width; f++) sums[f] += products[f];
        }
        for (let f = 0; f < width; f++) if (sums[f] > best[f]) best[f] = sums[f];
      }
      tap += size;
    });
    found.forEach((sum, f) => (found[f] = activated(Math.fround(sum + filterBias[f]), activation)));
    return found;
  }

  /** What the words and pairs seen in training add, in units of WIDE_UNIT squared. */
  wide(tokens) {
    const { wide_keys: keys, wide_idf: idf, wide_table: table, logarithms } = this.tensors;
    const sums = new Float64Array(this.labels.length), counts = new Map();
    const pairs = tokens.slice(1).map(({ id }, place) => (tokens[place].id + 1) * 2 ** 32 + id);
    for (const key of keys ? [...tokens.map(({ id }) => id), ...pairs] : []) {
      const row = found(keys, key);
      if (row >= 0) counts.set(row, (counts.get(row) ?? 0) + 1);
    }
    const ordered = [...counts].sort(([one], [other]) => one - other);
    const weights = ordered.map(([row, n]) => (1 + (logarithms[n - 1] ?? Math.log(n))) * idf[row]);
    const norm = Math.sqrt(weights.reduce((total, weight) => total + weight * weight, 0));
    ordered.forEach(([row], k) => {
      const factor = rounded(Math.fround(weights[k] / norm) / WIDE_UNIT);
      table.subarray(row * sums.length, (row + 1) * sums.length).forEach((value, c) => {
        sums[c] += factor * rounded(clamped(value * this.about.wide_scale, LARGEST_WEIGHT) / WIDE_UNIT);
      });
    });
    return sums;
  }

  classify(text) {
    const { logits, tokens, seen } = this.logits(text), several = this.about.problem_type.startsWith("multi");
    const scores = logits.map((logit) => logit / this.about.temperature), top = Math.max(...scores);
    const shares = scores.map((score) => (several ? 1 / (1 + Math.exp(-score)) : Math.exp(score - top)));
    const total = several ? 1 : shares.reduce((sum, share) => sum + share, 0);
    const all = this.labels.map((label, c) => ({ label, probability: shares[c] / total }));
    const best = all[logits.indexOf(Math.max(...logits))];
    const labels = several ? all.filter(({ probability }, c) => probability >= this.about.thresholds[c]) : [best];
    return { ...best, labels, all, empty: !tokens.length, cut: seen.length < tokens.length };
  }
}

/** The nearest whole number, of two the even one. */
const rounded = (value) => value + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
const clamped = (value, most) => Math.min(Math.max(value, -most), most);

function activated(score, name) {
  if (name === "relu") return Math.max(score, 0);
  if (name === "leaky_relu") return score > 0 ? score : score * Math.fround(0.01);
  if (name !== "tanh") return score;
  const y = clamped(score, 20) / 64, square = y * y;
  let value = (y * (945 + square * (105 + square))) / (945 + square * (420 + square * 15));
  for (let n = 0; n < 6; n++) value = (2 * value) / (1 + value * value);
  return value;
}

function found(keys, key) {
  let low = 0, high = keys.length;
  for (let middle; low < high; keys[middle] < key ? (low = middle + 1) : (high = middle)) middle = (low + high) >>> 1;
  return keys[low] === key ? low : -1;
}
