import type { Edit } from "./build-variant.mjs";

/** What the requests of a measurement are like. */
export type Load = "bearer seen" | "cookie seen" | "bearer never seen" | "cookie never seen" | "refused";

/** Takes one optimisation out of the sources. */
export interface Patch {
  readonly name: string;
  /** The loads that the optimisation is for. */
  readonly loads: readonly Load[];
  /** Each text must occur once in the sources; where it no longer does, the ablation fails. */
  readonly edits: readonly Edit[];
}

/** Every optimisation that was made for speed and could be left out. Texts are single lines: they outlive more edits. */
export const PATCHES: readonly Patch[] = [
  {
    name: "hour cache: hours are formatted once",
    loads: ["cookie never seen"],
    edits: [
      {
        find: "return formatHour(hour) + withinHour;",
        replace: "return new Date(instant).toISOString();",
      },
    ],
  },
  {
    name: "token headers: the last one is not parsed again",
    loads: ["bearer never seen", "refused"],
    edits: [
      { find: "if (last?.good?.part === part) return last.good.header;", replace: "" },
      { find: "if (last?.bad?.part === part) return last.bad.reason;", replace: "" },
    ],
  },
];
