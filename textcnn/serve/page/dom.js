// Creates elements with text nodes only, so that nothing a user typed is ever parsed as HTML.
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export const find = (id) => document.getElementById(id);
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

export const shortNumber = (value) => (Math.abs(value) >= 1e6 || (value && Math.abs(value) < 1e-3) ? value.toExponential(2) : String(Number(value.toFixed(3))));

// Returns the scores of a row of a model of numbers, with the names of several targets.
export const scoresOf = (row) => (row.scores ? Object.entries(row.scores) : row.score === undefined ? [] : [["", row.score]]);
