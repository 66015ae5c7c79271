// The server as functions; an error it answers with is thrown as its message.
let token = "";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function useToken(value) {
  token = value.trim();
}

async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "the server does not answer");
  }
  const document = await response.json();
  if (!response.ok) throw new Refused(response.status, document.error?.message ?? `status ${response.status}`);
  return document;
}

export const labelsOf = (model) => ask(model ? `/labels?model=${encodeURIComponent(model)}` : "/labels");

// Busy (429) and not ready (503) pass; ask again a few times.
export async function classify(request, signal) {
  const body = JSON.stringify({ ...request, texts: request.texts.map((text) => text.toWellFormed?.() ?? text) });
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body, signal };
  for (let attempt = 1; ; attempt++) {
    try {
      return (await ask("/classify", options)).results;
    } catch (error) {
      if (![429, 503].includes(error.status) || attempt === 5) throw error;
      await new Promise((done) => setTimeout(done, 500 * attempt));
    }
  }
}

// Texts in parts that the limits of the server allow.
export function* parts(texts, limits) {
  const most = Math.min(limits.max_texts, 200);
  let start = 0, size = 0;
  for (let end = 0; end < texts.length; end++) {
    const bytes = 6 * texts[end].length + 3; // as JSON, an escape for each letter at worst
    if (end > start && (end - start === most || size + bytes > limits.max_body_bytes / 2)) {
      yield texts.slice(start, end);
      [start, size] = [end, 0];
    }
    size += bytes;
  }
  if (start < texts.length) yield texts.slice(start);
}
