declare module "express4" {
  import type express from "express4-types";

  const create: typeof express;
  // oxlint-disable-next-line import/no-default-export -- how the package exports it
  export default create;
}
