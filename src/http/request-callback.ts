/**
 * A function of the application's that gets a request. Compared as a method is: one that is written for Express's own
 * `Request` and `Response` fits as well, because they are what it gets where Express runs it.
 */
export type RequestCallback<Parameters extends readonly unknown[], Result> = {
  call(...parameters: Parameters): Result;
}["call"];
