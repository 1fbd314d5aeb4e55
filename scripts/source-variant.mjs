import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Copies the folder `from` to `to`, with edits: each replaces a text that stands there exactly once. */
export function copyWithEdits({ from, to, edits }) {
  cpSync(from, to, { recursive: true });
  for (const edit of edits) applyEdit(to, edit);
}

/** Edits the one file that contains the text, wherever it lies. */
function applyEdit(folder, { find, replace }) {
  const files = readdirSync(folder, { recursive: true })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => ({ path: join(folder, path), text: readFileSync(join(folder, path), "utf8") }));
  const places = files.flatMap((file) => Array(file.text.split(find).length - 1).fill(file));
  if (places.length !== 1) {
    throw new Error(`the sources contain this text ${places.length} times, not once:\n${find}`);
  }
  const [{ path, text }] = places;
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
}
