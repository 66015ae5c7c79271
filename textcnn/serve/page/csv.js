// Reads and writes CSV (RFC 4180) with commas, semicolons or tabs as separators.
export function separatorOf(text) {
  const line = text.slice(0, 10000).replace(/"[^"]*"/g, "").split(/\r?\n/, 1)[0];
  const count = (separator) => line.split(separator).length;
  return [",", ";", "\t"].reduce((best, one) => (count(one) > count(best) ? one : best));
}

export function parse(text, separator) {
  const rows = [];
  let row = [], cell = "", quoted = false;
  const endRow = () => {
    if (row.length || cell) rows.push([...row, cell]);
    [row, cell] = [[], ""];
  };
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === separator) {
      row.push(cell);
      cell = "";
    } else if (letter === "\n") endRow();
    else if (letter !== "\r" || text[i + 1] !== "\n") cell += letter;
  }
  if (quoted) throw new Error("a quotation mark is opened and never closed");
  endRow();
  return rows;
}

export function write(rows, separator) {
  const cell = (value) => (/["\r\n]/.test(value) || value.includes(separator) ? `"${value.replaceAll('"', '""')}"` : value);
  return rows.map((row) => row.map((value) => cell(String(value))).join(separator) + "\r\n").join("");
}
