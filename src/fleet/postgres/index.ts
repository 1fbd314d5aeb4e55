export { migrate, schemaSql } from "./migrate.ts";
export { postgresCoordinator } from "./postgres-coordinator.ts";
export { postgresRepository } from "./postgres-repository.ts";
export type {
  PGliteDatabase,
  PostgresClient,
  PostgresPool,
  PostgresRows,
  PostgresSource,
} from "./connection.ts";
export type { MigrateOptions } from "./migrate.ts";
export type { PostgresCoordinatorOptions } from "./postgres-coordinator.ts";
export type { PostgresRepositoryOptions } from "./postgres-repository.ts";
