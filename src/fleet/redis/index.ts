export { redisRepository } from "./repository.ts";
export type { RedisRepositoryOptions } from "./repository.ts";
export { redisCoordinator } from "./coordinator.ts";
export type { RedisOptions } from "./connection.ts";
export type {
  IoredisClient,
  NodeRedisClient,
  NodeRedisCluster,
  NodeRedisPool,
  NodeRedisSentinel,
  RedisClient,
} from "./client.ts";
