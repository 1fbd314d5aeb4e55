/** Columns of the Markdown documents, tables and code apart; the formatter's own width. */
export const WIDTH = 110;

/** Breaks a paragraph into lines. Never breaks inside of inline code or of a link. */
export function wrap(paragraph: string): string {
  const lines: string[] = [];
  for (const word of paragraph.match(/(?:`[^`]*`|\[[^\]]*\]\([^)]*\)|[^\s`])+/g) ?? []) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

/** A table. A cell may hold any text: a `|` in it does not end it. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  return [columns, columns.map(() => "---"), ...rows].map(lineOf).join("\n");
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
}

/** Inline code, whatever the text. */
export function code(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}
