// Calls the server's HTTP API; an error response is thrown as an exception with its message.
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

// Retries a few times while the server is busy (429) or not ready (503).
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

// Splits texts into requests within the limits of the server.
export function* parts(texts, limits) {
  const most = Math.min(limits.max_texts, 200);
  let start = 0, size = 0;
  for (let end = 0; end < texts.length; end++) {
    const bytes = 6 * texts[end].length + 3; // in JSON, each UTF-16 unit takes at most a six-byte escape
    if (end > start && (end - start === most || size + bytes > limits.max_body_bytes / 2)) {
      yield texts.slice(start, end);
      [start, size] = [end, 0];
    }
    size += bytes;
  }
  if (start < texts.length) yield texts.slice(start);
}
