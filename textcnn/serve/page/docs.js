// Renders the OpenAPI document as a page: each path with its request and its response.
import { make } from "./dom.js";

const described = await (await fetch("/openapi.json")).json();

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  return schema.type === "array" ? `list of ${typeOf(schema.items)}` : schema.type ?? "anything";
}

function table(schema, caption) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, typeOf(field)),
      make("td", {}, field.description ?? "")));
  return make("div", { className: "scroll" }, make("table", {}, make("caption", {}, caption), make("tbody", {}, ...rows)));
}

function operation(path, method, one) {
  const parts = [make("h2", {}, `${method.toUpperCase()} ${path}`), make("p", {}, one.description ?? "")];
  const body = one.requestBody?.content["application/json"].schema;
  if (body) parts.push(table(body, "request"));
  const answer = one.responses["200"]?.content?.["application/json"]?.schema;
  if (answer?.$ref) parts.push(table(described.components.schemas[typeOf(answer)], "response"));
  return make("section", {}, ...parts);
}

const operations = Object.entries(described.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, one]) => operation(path, method, one)));
document.querySelector("#operations").replaceChildren(...operations);
