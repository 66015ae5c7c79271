// The page's controls: selects the models, the colour scheme and the token; one.js and many.js classify texts.
import { find, make } from "./dom.js";
import { watchMany } from "./many.js";
import { watchText } from "./one.js";
import { labelsOf, useToken } from "./server.js";

let limits = { max_texts: 200, max_body_bytes: 2 ** 20 };

function report(message, status) {
  find("problem").textContent = message;
  find("problem").hidden = !message;
  if (status === 401) find("token-form").hidden = false;
}

const models = () => [find("model").value, find("other").value].filter((name, n, all) => name && all.indexOf(name) === n);

async function start() {
  try {
    const about = await labelsOf("");
    limits = about.limits;
    const options = () => about.models.map((name) => make("option", { value: name }, name));
    find("model").replaceChildren(...options());
    find("other").replaceChildren(make("option", { value: "" }, "nothing"), ...options());
    find("compare-label").hidden = about.models.length < 2;
    find("token-form").hidden = true;
    report("");
    await show();
  } catch (error) {
    report(error.message, error.status);
    if (error.status === 503) setTimeout(start, 1000);
  }
}

function setScheme(dark) {
  document.documentElement.dataset.scheme = dark ? "dark" : "light";
  find("scheme").setAttribute("aria-pressed", String(dark));
}

find("scheme").addEventListener("click", () => setScheme(find("scheme").getAttribute("aria-pressed") !== "true"));
find("scheme").setAttribute("aria-pressed", String(matchMedia("(prefers-color-scheme: dark)").matches));
find("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(find("token").value);
  start();
});
const show = watchText(models, report);
watchMany(models, () => limits, report);
for (const id of ["model", "other"]) find(id).addEventListener("change", show);
start();
