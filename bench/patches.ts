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

/** Every optimisation that was made for speed and could be left out. */
export const PATCHES: readonly Patch[] = [
  {
    name: "response hook on the application's prototype, not on each response",
    loads: ["bearer seen"],
    edits: [
      {
        find: "  const prototype = Object.getPrototypeOf(response) as object;\n  if (prototype === latest || hooked.has(response)) return;\n",
        replace:
          "  hookOneResponse(response, plan);\n  if (hooked.has(response)) return;\n  const prototype = Object.getPrototypeOf(response) as object;\n",
      },
    ],
  },
  {
    name: "private fields on the request, not a WeakMap",
    loads: ["bearer seen", "cookie seen"],
    edits: [
      {
        find: "    get: (request) => Stamp.get(carrierOf(request), request),\n    set: (request, value) => Stamp.set(carrierOf(request), request, value),\n",
        replace:
          "    get: (request) => others.get(request),\n    set: (request, value) => void others.set(request, value),\n",
      },
    ],
  },
  {
    name: "patience of the cache before it moves an entry",
    loads: ["bearer seen"],
    edits: [
      {
        find: "if (session !== undefined && taken - session.usedAt > patience) {",
        replace: "if (session !== undefined) {",
      },
    ],
  },
];
