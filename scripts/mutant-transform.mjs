/** Jest's transform for mutants: reads one file from another place, so that nothing is written to `src`. */
import { readFileSync } from "node:fs";
import { createTransformer } from "@swc/jest";

/** Makes swc's transform, with the text of `ORGATE_MUTANT_TEXT` in place of the file `ORGATE_MUTANT_FILE`. */
function createMutantTransformer(swcOptions) {
  const swc = createTransformer(swcOptions);
  const { ORGATE_MUTANT_FILE: file, ORGATE_MUTANT_TEXT: textFile } = process.env;
  const mutant = textFile === undefined ? "" : readFileSync(textFile, "utf8");
  const pick = (text, path) => (path === file ? mutant : text);
  return {
    canInstrument: true,
    process: (text, path, options) => swc.process(pick(text, path), path, options),
    processAsync: (text, path, options) => swc.processAsync(pick(text, path), path, options),
    getCacheKey: (text, path, options) => swc.getCacheKey(pick(text, path), path, options),
  };
}

export default { createTransformer: createMutantTransformer };
