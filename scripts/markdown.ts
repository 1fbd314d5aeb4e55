/** Columns of the Markdown documents, tables and code apart; the formatter's own width. */
const WIDTH = 110;

/** A word: inline code and links are never broken. */
const WORD = /(?:``.+?``|`[^`]*`|!?\[[^\]]*\]\([^)]*\)|\S)+/g;

/** Breaks a paragraph into lines. From the second line on, each is indented. */
export function wrap(paragraph: string, indent = ""): string {
  const lines: string[] = [];
  for (const word of paragraph.match(WORD) ?? []) {
    const last = lines.at(-1);
    if (last === undefined) lines.push(word);
    else if (last.length + 1 + word.length > WIDTH) lines.push(indent + word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

/** Wraps the paragraphs and list items of a document; code, tables, headings and comments stay as they are. */
export function wrapDocument(text: string): string {
  const done: string[] = [];
  let paragraph = "";
  let inCode = false;
  const flush = (): void => {
    if (paragraph === "") return;
    const indent = " ".repeat(/^\s*(?:[-*] |\d+\. )?/.exec(paragraph)?.[0].length ?? 0);
    const start = /^\s*/.exec(paragraph)?.[0] ?? "";
    done.push(start + wrap(paragraph, indent));
    paragraph = "";
  };
  for (const line of text.split("\n")) {
    const isFence = line.trimStart().startsWith("```");
    if (inCode || isFence || /^(?:$|[#|<])/.test(line)) {
      flush();
      done.push(line);
      if (isFence) inCode = !inCode;
    } else if (/^\s*(?:[-*] |\d+\. )/.test(line)) {
      flush();
      paragraph = line;
    } else {
      paragraph = paragraph === "" ? line : `${paragraph} ${line.trim()}`;
    }
  }
  flush();
  return done.join("\n");
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
